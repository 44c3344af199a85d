// What the scheduler tells people, as JSON.
#include "control/json_parts.h"
#include "control/scheduler.h"
#include "sched/snapshot_json.h"

namespace flexai::control {

std::string Scheduler::explain(const std::string& pod) const {
  Json waiting = Json::array();
  for (const auto& [key, reason] : reasons_)
    if (pod.empty() || key == pod) waiting.push_back({{"pod", key}, {"reason", reason}});
  Json all{{"leads", leading()}, {"waiting", std::move(waiting)}};
  if (pod.empty()) return dump(all);
  Json placed = Json::array();
  const PodFacts* facts = world_.pod(pod);
  all["known"] = facts != nullptr;
  if (facts == nullptr) return dump(all);
  for (const ClaimFacts* claim : world_.our_claims(*facts))
    for (const Given& given : claim->given)
      placed.push_back({{"claim", claim->name},
                        {"request", given.request},
                        {"node", claim->node},
                        {"pool", given.pool},
                        {"device", given.card}});
  all["placed"] = std::move(placed);
  return dump(all);
}

std::string Scheduler::queues() const {
  Json list = Json::array();
  const auto use = world_.queue_use();
  for (const model::Queue& q : world_.known_queues()) {
    Json one{{"name", q.name},         {"parent", q.parent}, {"guarantee", q.guarantee},
             {"deserved", q.deserved}, {"limit", q.limit},   {"weight", q.weight}};
    if (const auto at = use.find(q.name); at != use.end()) {
      one["used"] = at->second.ncu;
      one["cards"] = at->second.milli;
      one["running"] = at->second.running;
      one["pending"] = at->second.pending;
    }
    list.push_back(std::move(one));
  }
  return dump(list);
}

std::string Scheduler::snapshot() const {
  const sched::Planner* planner = world_.planner();
  return planner == nullptr ? "null" : dump(sched::to_json(planner->snapshot()));
}

}  // namespace flexai::control
