// hi-sim explain, decide and diff: recorded snapshots.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/sim/commands.h"
#include "apps/sim/output.h"
#include "sched/decide.h"
#include "sched/plan_text.h"
#include "sched/snapshot_json.h"

namespace flexai::apps::sim {
namespace {

using base::Code;
using base::fail;
using nlohmann::json;

constexpr size_t kMostBytes = size_t{1} << 30;

// A scenario (test/scenario/sched/README.md) holds a snapshot beside what is expected of it.
std::string snapshot_part(const std::string& text) {
  if (text.find("\"snapshot\"") == std::string::npos) return text;
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object() || !value.contains("snapshot") || value.contains("format")) return text;
  return value["snapshot"].dump();
}

base::Result<sched::Snapshot> load(const std::string& path) {
  FLEXAI_TRY_ASSIGN(std::string text, read_file(path, kMostBytes));
  auto snapshot = sched::snapshot_from_text(snapshot_part(text));
  if (!snapshot.ok()) return std::move(snapshot).with_context(path);
  return snapshot;
}

base::Status explain(const std::string& path, const std::string& name, bool as_json) {
  FLEXAI_TRY_ASSIGN(sched::Snapshot snapshot, load(path));
  FLEXAI_TRY_ASSIGN(sched::Plan plan, sched::decide(snapshot));
  if (as_json) return write_json("-", to_json(plan, snapshot));
  bool found = false;
  const std::vector<std::string> lines = lines_of(plan, snapshot);
  for (size_t i = 0; i < plan.actions.size(); ++i) {
    const sched::Action& a = plan.actions[i];
    const bool about = name.empty() || snapshot.workloads[a.workload].name == name ||
                       (a.because != ~uint32_t{0} && snapshot.workloads[a.because].name == name);
    if (about) std::printf("%s (%s)\n", lines[i].c_str(), a.reason.c_str());
    found = found || about;
  }
  for (const sched::Verdict& v : plan.pending) {
    if (!name.empty() && snapshot.workloads[v.workload].name != name) continue;
    std::printf("%s\n", v.line.c_str());
    found = true;
  }
  if (found || name.empty()) return {};
  for (const model::Workload& w : snapshot.workloads)
    if (w.name == name) {
      std::printf("%s runs and nothing is to be done to it\n", name.c_str());
      return {};
    }
  return fail(Code::kNotFound, path + ": there is no workload \"" + name + "\"");
}

// What differs, as JSON pointers with both values.
base::Status diff(const std::string& a_path, const std::string& b_path, Session* session) {
  FLEXAI_TRY_ASSIGN(sched::Snapshot a, load(a_path));
  FLEXAI_TRY_ASSIGN(sched::Snapshot b, load(b_path));
  const json from = to_json(a), to = to_json(b);
  const json patch = json::diff(from, to);
  for (const json& step : patch) {
    const std::string path = step["path"].get<std::string>();
    const json::json_pointer at(path);
    const std::string op = step["op"].get<std::string>();
    std::printf("%s %s%s%s\n", op.c_str(), path.c_str(),
                op == "add" ? "" : (" was " + from[at].dump()).c_str(),
                op == "remove" ? "" : (" is " + step["value"].dump()).c_str());
  }
  if (patch.empty()) std::printf("the snapshots are equal\n");
  session->code = patch.empty() ? 0 : 3;
  return {};
}

}  // namespace

base::Status decide_file(const std::string& path, const std::string& json_path,
                         const std::string& after_path) {
  FLEXAI_TRY_ASSIGN(sched::Snapshot snapshot, load(path));
  FLEXAI_TRY_ASSIGN(sched::Plan plan, sched::decide(snapshot));
  for (const std::string& line : lines_of(plan, snapshot)) std::printf("%s\n", line.c_str());
  if (!after_path.empty())
    FLEXAI_TRY(write_json(after_path, to_json(sched::after(snapshot, plan))));
  if (json_path.empty()) return {};
  return write_json(json_path, to_json(plan, snapshot));
}

void add_explain(CLI::App& app, Session& session) {
  CLI::App* command =
      declare(app, "explain", "why workloads of a snapshot start, wait or are moved",
              "  hi-sim explain snapshot.json --workload job-17\n");
  auto path = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("snapshot", *path, "file")->required();
  command->add_option("--workload", *name, "only this one");
  command->add_flag("--json", *as_json, "print JSON");
  perform(command, session, [=] { return explain(*path, *name, *as_json); });
}

void add_diff(CLI::App& app, Session& session) {
  CLI::App* command =
      declare(app, "diff", "what differs between two snapshots; exit code 3 if anything",
              "  hi-sim diff before.json after.json\n");
  auto a = std::make_shared<std::string>();
  auto b = std::make_shared<std::string>();
  command->add_option("a", *a, "file")->required();
  command->add_option("b", *b, "file")->required();
  perform(command, session, [=, &session] { return diff(*a, *b, &session); });
}

}  // namespace flexai::apps::sim
