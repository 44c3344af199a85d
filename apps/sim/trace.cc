#include "apps/sim/trace.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "apps/sim/csv.h"
#include "apps/sim/mix_file.h"

namespace flexai::apps::sim {
namespace {

using base::Code;
using base::fail;
namespace fs = std::filesystem;

constexpr int64_t kMostCpu = 10'000'000;        // milli: 10,000 cores a node
constexpr int64_t kMostMemory = 1'000'000'000;  // MiB: about 1 PB a node

base::Result<uint8_t> model_of(Trace* trace, std::string_view name) {
  auto at = std::find(trace->models.begin(), trace->models.end(), name);
  if (at == trace->models.end()) {
    if (trace->models.size() == sched::kMaxModels)
      return fail(Code::kInvalid, "more than 64 card models");
    at = trace->models.insert(at, std::string(name));
  }
  return static_cast<uint8_t>(at - trace->models.begin());
}

base::Status read_nodes(const std::string& path, Trace* trace) {
  FLEXAI_TRY_ASSIGN(Csv csv, Csv::read(path));
  FLEXAI_TRY_ASSIGN(size_t name, csv.column("sn"));
  FLEXAI_TRY_ASSIGN(size_t cpu, csv.column("cpu_milli"));
  FLEXAI_TRY_ASSIGN(size_t memory, csv.column("memory_mib"));
  FLEXAI_TRY_ASSIGN(size_t cards, csv.column("gpu"));
  FLEXAI_TRY_ASSIGN(size_t model, csv.column("model"));
  std::set<std::string, std::less<>> names;
  for (size_t row = 0; row < csv.rows(); ++row) {
    TraceNode node;
    FLEXAI_TRY_ASSIGN(std::string_view sn, csv.text(row, name));
    FLEXAI_TRY_ASSIGN(int64_t cpus, csv.number(row, cpu, 0, kMostCpu));
    FLEXAI_TRY_ASSIGN(int64_t mib, csv.number(row, memory, 0, kMostMemory));
    FLEXAI_TRY_ASSIGN(int64_t count, csv.number(row, cards, 0, sched::kMaxCards));
    FLEXAI_TRY_ASSIGN(std::string_view kind, csv.text(row, model));
    auto index = model_of(trace, kind);
    if (!index.ok()) return csv.error(row, "model", index.error().message);
    if (!names.emplace(sn).second) return csv.error(row, "sn", "this name is there twice");
    node.name = sn;
    node.spec.cpu_milli = static_cast<int32_t>(cpus);
    node.spec.memory_mib = static_cast<int32_t>(mib);
    node.spec.cards = static_cast<uint8_t>(count);
    node.spec.model = *index;
    trace->nodes.push_back(std::move(node));
  }
  return {};
}

// "A10|T4" -> bits; empty: any model.
base::Result<uint64_t> models_of(const Trace& trace, std::string_view text) {
  if (text.empty()) return sched::kAnyModel;
  uint64_t models = 0;
  while (!text.empty()) {
    const size_t bar = std::min(text.find('|'), text.size());
    const std::string_view name = text.substr(0, bar);
    const auto at = std::find(trace.models.begin(), trace.models.end(), name);
    if (at == trace.models.end())
      return fail(Code::kInvalid,
                  "no node has a card of model \"" + std::string(name.substr(0, 40)) + "\"");
    models |= uint64_t{1} << (at - trace.models.begin());
    text.remove_prefix(std::min(bar + 1, text.size()));
  }
  return models;
}

base::Status read_times(const Csv& csv, size_t row, TraceTask* task) {
  if (!csv.has("creation_time") || !csv.has("deletion_time")) return {};
  constexpr int64_t kMost = int64_t{1} << 40;
  FLEXAI_TRY_ASSIGN(size_t created, csv.column("creation_time"));
  FLEXAI_TRY_ASSIGN(size_t deleted, csv.column("deletion_time"));
  FLEXAI_TRY_ASSIGN(task->created_s, csv.number(row, created, 0, kMost));
  FLEXAI_TRY_ASSIGN(task->deleted_s, csv.number(row, deleted, 0, kMost));
  return {};
}

base::Result<sched::Shape> shape_of(const Csv& csv, size_t row, const Trace& trace) {
  sched::Shape shape;
  FLEXAI_TRY_ASSIGN(size_t cpu, csv.column("cpu_milli"));
  FLEXAI_TRY_ASSIGN(size_t memory, csv.column("memory_mib"));
  FLEXAI_TRY_ASSIGN(size_t cards, csv.column("num_gpu"));
  FLEXAI_TRY_ASSIGN(size_t milli, csv.column("gpu_milli"));
  FLEXAI_TRY_ASSIGN(int64_t cpus, csv.number(row, cpu, 0, kMostCpu));
  FLEXAI_TRY_ASSIGN(int64_t mib, csv.number(row, memory, 0, kMostMemory));
  FLEXAI_TRY_ASSIGN(int64_t count, csv.number(row, cards, 0, sched::kMaxCards));
  FLEXAI_TRY_ASSIGN(int64_t share, csv.number(row, milli, 0, 1'000'000));
  shape.cpu_milli = static_cast<int32_t>(cpus);
  shape.memory_mib = static_cast<int32_t>(mib);
  shape.cards = static_cast<uint8_t>(count);
  shape.milli = static_cast<int16_t>(count == 0  ? 0
                                     : count > 1 ? 1000
                                                 : std::min<int64_t>(share, 1000));
  if (count > 0 && shape.milli == 0)
    return csv.error(row, "gpu_milli", "is 0 for a task with cards");
  if (!csv.has("gpu_spec")) return shape;
  FLEXAI_TRY_ASSIGN(size_t spec, csv.column("gpu_spec"));
  FLEXAI_TRY_ASSIGN(std::string_view names, csv.text(row, spec));
  auto models = models_of(trace, names);
  if (!models.ok()) return csv.error(row, "gpu_spec", models.error().message);
  shape.models = *models;
  return shape;
}

base::Status read_tasks(const std::string& path, Trace* trace) {
  FLEXAI_TRY_ASSIGN(Csv csv, Csv::read(path));
  FLEXAI_TRY_ASSIGN(size_t name, csv.column("name"));
  std::set<std::string, std::less<>> names;
  for (size_t row = 0; row < csv.rows(); ++row) {
    TraceTask task;
    FLEXAI_TRY_ASSIGN(std::string_view sn, csv.text(row, name));
    if (!names.emplace(sn).second) return csv.error(row, "name", "this name is there twice");
    task.name = sn;
    FLEXAI_TRY_ASSIGN(task.shape, shape_of(csv, row, *trace));
    FLEXAI_TRY(read_times(csv, row, &task));
    trace->tasks.push_back(std::move(task));
  }
  if (trace->tasks.empty()) return fail(Code::kInvalid, path + ": holds no task");
  return {};
}

}  // namespace

base::Result<std::string> find_trace(const std::string& name) {
  std::error_code ignored;
  if (fs::is_directory(name, ignored) || (is_mix_file(name) && fs::is_regular_file(name, ignored)))
    return name;
  std::vector<std::string> tried;
  if (const char* root = std::getenv("FLEXAI_TRACES"))
    tried.push_back(std::string(root) + "/" + name);
  for (const char* up : {"", "../", "../../", "../../../"})
    for (const char* place : {"traces/", "../shared/traces/"})
      tried.push_back(std::string(up) + place + name);
  for (const std::string& folder : tried)
    if (fs::is_directory(folder, ignored)) return folder;
  return fail(Code::kNotFound,
              "trace \"" + name +
                  "\" is not there; give its folder to --trace, or set FLEXAI_TRACES "
                  "to the folder that holds it (docs/scheduling.md#the-trace)");
}

base::Result<Trace> read_openb(const std::string& folder, const std::string& list) {
  if (is_mix_file(folder)) return read_mix(folder);
  Trace trace;
  FLEXAI_TRY(read_nodes(folder + "/openb_node_list_gpu_node.csv", &trace));
  FLEXAI_TRY(read_tasks(folder + "/openb_pod_list_" + list + ".csv", &trace));
  auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(trace.nodes.begin(), trace.nodes.end(), by_name);
  std::sort(trace.tasks.begin(), trace.tasks.end(), by_name);
  return trace;
}

std::vector<std::string> openb_lists() {
  return {"default",    "cpu050",     "cpu100",      "cpu200",     "cpu250",    "gpushare40",
          "gpushare60", "gpushare80", "gpushare100", "gpuspec10",  "gpuspec20", "gpuspec25",
          "gpuspec33",  "multigpu20", "multigpu30",  "multigpu40", "multigpu50"};
}

}  // namespace flexai::apps::sim
