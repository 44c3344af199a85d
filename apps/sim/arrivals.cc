#include "apps/sim/arrivals.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "apps/sim/random.h"

namespace flexai::apps::sim {
namespace {

constexpr double kCovered = 0.95;  // part of the tasks that the target mix stands for

std::vector<uint32_t> count_up(size_t size) {
  std::vector<uint32_t> indices(size);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

}  // namespace

Arrivals arrange(const Trace& trace, double part, uint64_t seed) {
  Random random(seed);
  Arrivals result{count_up(trace.nodes.size()), count_up(trace.tasks.size())};
  random.shuffle(&result.nodes);
  random.shuffle(&result.tasks);
  int64_t cards = 0, demand = 0;
  for (const TraceNode& node : trace.nodes) cards += int64_t{node.spec.cards} * 1000;
  for (const TraceTask& task : trace.tasks) demand += task.shape.total_milli();
  const auto target = static_cast<int64_t>(static_cast<double>(cards) * part);
  while (demand < target) {
    const auto index = static_cast<uint32_t>(random.below(trace.tasks.size()));
    const sched::Shape& shape = trace.tasks[index].shape;
    // The published tuning compares with what one card of the task takes, not with all of them.
    if (demand + shape.milli > target) break;
    result.tasks.push_back(index);
    demand += shape.total_milli();
  }
  while (demand > target && result.tasks.size() > 1) {
    const size_t at = random.below(result.tasks.size());
    demand -= trace.tasks[result.tasks[at]].shape.total_milli();
    result.tasks.erase(result.tasks.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return result;
}

std::vector<sched::TypicalDemand> published_mix(const Trace& trace) {
  sched::ShapeTable table;
  std::vector<std::pair<uint32_t, sched::ShapeId>> counts;
  for (const TraceTask& task : trace.tasks) {
    sched::Shape shape = task.shape;
    shape.memory_mib = 0;
    const sched::ShapeId id = table.intern(shape);
    if (id == counts.size()) counts.emplace_back(0, id);
    ++counts[id].first;
  }
  std::stable_sort(counts.begin(), counts.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<sched::TypicalDemand> mix;
  double covered = 0;
  for (const auto& [count, id] : counts) {
    if (covered >= kCovered * static_cast<double>(trace.tasks.size())) break;
    mix.push_back({table[id], static_cast<double>(count)});
    covered += count;
  }
  return mix;
}

}  // namespace flexai::apps::sim
