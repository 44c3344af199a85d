// hi-sim replay: the packing experiment.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/sim/commands.h"
#include "apps/sim/hi_packer.h"
#include "apps/sim/output.h"
#include "apps/sim/replay_report.h"
#include "apps/sim/timed.h"

namespace flexai::apps::sim {
namespace {

using base::Code;
using base::fail;

struct ReplayOptions {
  std::string trace = "openb", arrive = "130%", json, csv, svg;
  std::vector<std::string> policies{"hi"}, lists{"default"};
  int seeds = 10, threads = 0;
  uint64_t first_seed = 42;
  bool quiet = false, timed = false;
  std::vector<double> loads{0.5, 0.8, 1.0, 1.3};
  std::string snapshot, after;
  int quantum = sched::Policy{}.quantum_milli, stranded = sched::Policy{}.stranded_milli;
};

// "130%" -> 130; 1..130.
base::Result<size_t> percent_of(std::string text) {
  if (!text.empty() && text.back() == '%') text.pop_back();
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != 0 || value < 1 || value > 130)
    return fail(Code::kInvalid, "--arrive takes 1% to 130%");
  return static_cast<size_t>(value);
}

base::Result<std::vector<std::string>> policies_of(const std::vector<std::string>& asked) {
  std::vector<std::string> known = published_policies(), result;
  for (const std::string& name : kube_policies()) known.push_back(name);
  for (const std::string& name : hi_policies()) known.push_back(name);
  for (const std::string& name : asked) {
    if (name == "published") {
      for (const std::string& p : published_policies()) result.push_back(p);
    } else if (std::find(known.begin(), known.end(), name) != known.end()) {
      result.push_back(name);
    } else {
      std::string all = "published";
      for (const std::string& p : known) all += ", " + p;
      return fail(Code::kInvalid, "there is no policy \"" + name + "\"; there are " + all);
    }
  }
  return result;
}

base::Status write_outputs(const ReplayOptions& o, const std::vector<PackingResult>& results,
                           const Table& table, size_t point) {
  if (!o.json.empty()) FLEXAI_TRY(write_json(o.json, json_of(results, table, point)));
  if (!o.csv.empty()) FLEXAI_TRY(write_file(o.csv, csv_of(results)));
  if (o.svg.empty()) return {};
  const std::string stem = o.svg.ends_with(".svg") ? o.svg.substr(0, o.svg.size() - 4) : o.svg;
  for (const std::string& list : o.lists) {
    const std::string name = o.lists.size() == 1 ? stem : stem + "-" + list;
    FLEXAI_TRY(write_file(name + ".svg", svg_of(results, list, false)));
    FLEXAI_TRY(write_file(name + "-fragments.svg", svg_of(results, list, true)));
  }
  return {};
}

// One line a policy and load; the same as JSON and CSV.
base::Status timed(const ReplayOptions& o, const std::vector<std::string>& policies) {
  FLEXAI_TRY_ASSIGN(std::string folder, find_trace(o.trace));
  nlohmann::json rows = nlohmann::json::array();
  std::string csv =
      "policy,load,blocked_percent,asked_percent,wait_mean_s,wait_p95_s,completion_mean_s,"
      "makespan_s,remote_percent,never_placed\n";
  for (const std::string& list : o.lists) {
    FLEXAI_TRY_ASSIGN(Trace trace, read_openb(folder, list));
    for (double load : o.loads)
      for (const std::string& policy : policies) {
        const TimedResult r = run_timed(trace, policy, load, o.first_seed);
        if (!o.quiet) std::fprintf(stderr, "%s at load %.2f\n", policy.c_str(), load);
        rows.push_back({{"list", list},
                        {"policy", policy},
                        {"load", load},
                        {"blocked_percent", r.blocked},
                        {"asked_percent", r.asked},
                        {"wait_mean_s", r.wait_mean_s},
                        {"wait_p95_s", r.wait_p95_s},
                        {"completion_mean_s", r.completion_mean_s},
                        {"completion_least_s", r.completion_least_s},
                        {"makespan_s", r.makespan_s},
                        {"remote_percent", r.remote},
                        {"tasks", r.tasks},
                        {"never_placed", r.never_placed}});
        char line[256];
        std::snprintf(line, sizeof line, "%s,%.2f,%.2f,%.2f,%.1f,%.1f,%.1f,%.0f,%.3f,%zu\n",
                      policy.c_str(), load, r.blocked, r.asked, r.wait_mean_s, r.wait_p95_s,
                      r.completion_mean_s, r.makespan_s, r.remote, r.never_placed);
        csv += line;
      }
  }
  if (!o.json.empty()) FLEXAI_TRY(write_json(o.json, {{"experiment", "timed"}, {"rows", rows}}));
  if (!o.csv.empty()) FLEXAI_TRY(write_file(o.csv, csv));
  if (o.json != "-" && o.csv != "-") std::printf("%s", csv.c_str());
  return {};
}

base::Status replay(ReplayOptions o) {
  if (!o.snapshot.empty()) return decide_file(o.snapshot, o.json, o.after);
  ExperimentOptions e;
  FLEXAI_TRY_ASSIGN(e.folder, find_trace(o.trace));
  FLEXAI_TRY_ASSIGN(size_t point, percent_of(o.arrive));
  FLEXAI_TRY_ASSIGN(e.policies, policies_of(o.policies));
  if (o.timed) return timed(o, e.policies);
  if (std::find(o.lists.begin(), o.lists.end(), "all") != o.lists.end()) o.lists = openb_lists();
  e.lists = o.lists;
  e.part = static_cast<double>(point) / 100;
  e.first_seed = o.first_seed;
  e.seeds = o.seeds;
  e.threads = o.threads;
  e.progress = !o.quiet;
  e.constants.quantum_milli = o.quantum;
  e.constants.stranded_milli = o.stranded;
  FLEXAI_TRY_ASSIGN(std::vector<PackingResult> results, run_experiment(e));
  FLEXAI_TRY_ASSIGN(Table table, table_of(results, e.folder, point));
  FLEXAI_TRY(write_outputs(o, results, table, point));
  if (o.json != "-" && o.csv != "-")
    std::printf(
        "Allocated, %% of cards, %zu %% arrived, mean of %d seeds; after / the published "
        "mean.\n\n%s",
        point, o.seeds, markdown_of(table, e.lists, e.policies).c_str());
  return {};
}

}  // namespace

void add_replay(CLI::App& app, Session& session) {
  CLI::App* command =
      declare(app, "replay", "replay a trace with one or more policies",
              "  hi-sim replay --trace openb --policy hi,FGD --arrive 130%\n"
              "  hi-sim replay --trace openb --list all --policy published --json table.json\n");
  auto o = std::make_shared<ReplayOptions>();
  command->add_option("--trace", o->trace, "folder of the trace, or openb");
  command
      ->add_option("--policy", o->policies,
                   "published, Random, DotProd, Clustering, Packing, "
                   "BestFit, FGD, hi, hi-remote, hi-move")
      ->delimiter(',');
  command->add_option("--list", o->lists, "lists of tasks, or all")->delimiter(',');
  command->add_option("--arrive", o->arrive, "demand that arrives, of the cards");
  command->add_option("--seeds", o->seeds, "runs of each list and policy")
      ->check(CLI::Range(1, 10000));
  command->add_option("--first-seed", o->first_seed, "of these runs");
  command->add_option("--threads", o->threads, "0: one a processor")->check(CLI::Range(0, 256));
  command->add_option("--quantum", o->quantum, "of hi's costs, milli-cards")
      ->check(CLI::Range(1, 8000));
  command
      ->add_option("--stranded", o->stranded,
                   "weight of cards without a processor beside them, thousandths")
      ->check(CLI::Range(0, 1000));
  command->add_option("--json", o->json, "write results there; - is standard output");
  command->add_option("--csv", o->csv, "write every run's curves there");
  command->add_option("--svg", o->svg, "write plots there");
  command->add_option("snapshot", o->snapshot, "a recorded snapshot instead of a trace");
  command->add_option("--after", o->after, "write the snapshot that the plan leaves there");
  command->add_flag("--timed", o->timed, "with arrivals and departures");
  command->add_option("--load", o->loads, "offered loads of --timed")->delimiter(',');
  command->add_flag("--quiet", o->quiet, "no progress");
  perform(command, session, [o] { return replay(*o); });
}

}  // namespace flexai::apps::sim
