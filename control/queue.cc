#include "control/queue.h"

#include <algorithm>
#include <set>

#include "control/json_parts.h"
#include "kube/names.h"
#include "model/json.h"

namespace flexai::control {
namespace {
constexpr int64_t kMostHours = 1'000'000'000'000'000;  // thousandths
}

base::Result<QueueFacts> read_queue(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const Json json, model::parse_json(text));
  const Json& meta = at(json, "metadata");
  const Json& spec = at(json, "spec");
  QueueFacts facts;
  model::Queue& q = facts.queue;
  q.name = text_at(meta, "name");
  facts.uid = text_at(meta, "uid");
  facts.generation = number_at(meta, "generation");
  q.parent = text_at(spec, "parent");
  q.guarantee = number_at(spec, "guarantee", 0);
  q.deserved = number_at(spec, "deserved", q.guarantee);
  q.limit = number_at(spec, "limit", -1);
  q.weight = static_cast<int32_t>(std::clamp<int64_t>(number_at(spec, "weight", 1), 1, 1'000'000));
  for (const Json& cap : list_at(spec, "caps"))
    q.caps.push_back({text_at(cap, "model"), number_at(cap, "cards", 0) * 1000});
  Json status = at(json, "status");
  facts.ncu_hours = std::clamp<int64_t>(number_at(status, "ncuHours", 0), 0, kMostHours);
  facts.ncu_counted = text_at(status, "ncuCounted");
  if (status.is_object()) status.erase("ncuCounted");
  if (status.is_object() && status.contains("conditions"))
    for (Json& condition : status["conditions"])
      if (condition.is_object()) condition.erase("lastTransitionTime");
  facts.status = dump(status);
  return facts;
}

std::vector<model::Queue> sound(const std::vector<QueueFacts>& all,
                                std::map<std::string, std::string>* wrong) {
  std::map<std::string, model::Queue> left;
  for (const QueueFacts& facts : all) left[facts.queue.name] = facts.queue;
  const auto refuse = [&](const std::string& name, const std::string& why) {
    (*wrong)[name] = why;
    left.erase(name);
  };
  for (const QueueFacts& facts : all) {
    const model::Queue& q = facts.queue;
    if (q.deserved < q.guarantee) refuse(q.name, "deserved is less than guarantee");
    if (q.limit != -1 && q.limit < q.deserved) refuse(q.name, "limit is less than deserved");
  }
  // Whose parent is not there, or is a child of its own, goes, and then their children.
  for (bool again = true; again;) {
    again = false;
    for (const QueueFacts& facts : all) {
      const std::string& name = facts.queue.name;
      if (left.count(name) == 0) continue;
      std::set<std::string> seen;
      std::string at = name;
      while (!at.empty() && left.count(at) != 0 && seen.insert(at).second) at = left[at].parent;
      if (at.empty()) continue;
      refuse(name, left.count(at) == 0 ? "its parent " + at + " is not there, or is wrong itself"
                                       : "its parents form a circle");
      again = true;
    }
  }
  std::map<std::string, int64_t> promised;
  for (const auto& [name, q] : left)
    if (!q.parent.empty()) promised[q.parent] += q.guarantee;
  for (const auto& [parent, sum] : promised)
    if (sum > left[parent].guarantee)
      for (const QueueFacts& facts : all)
        if (facts.queue.parent == parent)
          refuse(facts.queue.name,
                 "the queues below " + parent + " are guaranteed more than it is");
  std::vector<model::Queue> queues;
  for (auto& [name, q] : left) queues.push_back(std::move(q));
  return queues;
}

std::string status_of(const QueueFacts& facts, const World::QueueUse& use, const std::string& wrong,
                      int64_t whole, int64_t ncu_hours) {
  Json condition{{"type", "Ready"},
                 {"status", wrong.empty() ? "True" : "False"},
                 {"observedGeneration", facts.generation},
                 {"reason", wrong.empty() ? "Sound" : "Wrong"},
                 {"message", wrong.empty() ? "" : wrong}};
  Json conditions = Json::array({std::move(condition)});
  const int64_t asked = facts.queue.guarantee;
  const bool kept = use.guarantee >= asked;
  if (wrong.empty() && asked > 0)
    conditions.push_back(
        {{"type", "Guaranteed"},
         {"status", kept ? "True" : "False"},
         {"observedGeneration", facts.generation},
         {"reason", kept ? "Kept" : "ClusterTooSmall"},
         {"message", kept ? ""
                          : "the cluster has " + std::to_string(whole) +
                                " milli-NCU, less than its queues are guaranteed: of this one's " +
                                std::to_string(asked) + " its part is " +
                                std::to_string(use.guarantee)}});
  const Json status{{"observedGeneration", facts.generation},
                    {"guarantee", wrong.empty() ? use.guarantee : 0},
                    {"used", use.ncu},
                    {"cards", use.milli},
                    {"running", use.running},
                    {"pending", use.pending},
                    {"unmet", use.unmet},
                    {"ncuHours", ncu_hours},
                    {"conditions", std::move(conditions)}};
  return dump(status);
}

kube::Call write_status(const QueueFacts& facts, const std::string& status,
                        const std::string& counted, const std::string& when) {
  Json body{{"metadata", {{"uid", facts.uid}}}, {"status", *model::parse_json(status)}};
  body["status"]["ncuCounted"] = counted;
  for (Json& condition : body["status"]["conditions"]) condition["lastTransitionTime"] = when;
  kube::Call call = kube::patch(kube::kXpuQueues, {"", facts.queue.name}, kube::Patch::kMerge,
                                dump(body), "status");
  call.priority = kube::Priority::kLow;
  return call;
}

}  // namespace flexai::control
