#include "sched/guarantees.h"

#include <map>
#include <string>

namespace flexai::sched {

int64_t whole_ncu(const Snapshot& s) {
  std::map<std::string, int64_t> rates;
  for (const model::NcuRate& rate : s.rates)
    if (rate.kind.empty()) rates[rate.model] = rate.milli;
  int64_t sum = 0;
  for (const model::Node& node : s.nodes) {
    const auto rate = rates.find(node.model);
    sum += int64_t{node.cards} * (rate == rates.end() ? 1000 : rate->second);
  }
  return sum;
}

void keep_what_can_be_kept(int64_t whole, std::vector<model::Queue>* queues) {
  std::map<std::string, std::vector<model::Queue*>> below;
  for (model::Queue& q : *queues) below[q.parent].push_back(&q);
  std::vector<std::pair<std::string, int64_t>> levels{{"", whole}};
  while (!levels.empty()) {
    const auto [parent, most] = levels.back();
    levels.pop_back();
    const auto children = below.find(parent);
    if (children == below.end()) continue;
    __int128 sum = 0;
    for (const model::Queue* q : children->second) sum += q->guarantee;
    for (model::Queue* q : children->second) {
      if (sum > most) q->guarantee = static_cast<int64_t>(__int128{q->guarantee} * most / sum);
      levels.emplace_back(q->name, q->guarantee);
    }
    below.erase(children);
  }
}

}  // namespace flexai::sched
