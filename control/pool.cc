#include "control/pool.h"

#include <algorithm>

#include "control/json_parts.h"
#include "kube/names.h"
#include "kube/object_json.h"
#include "model/json.h"

namespace flexai::control {
namespace {

constexpr size_t kMostModels = 32;  // the schema's bound

std::string reason_of(const PoolFacts& pool, const PoolUse& use) {
  if (!pool.wrong.empty()) return "Wrong";
  if (use.cards == 0) return "Empty";
  return use.sick + use.drained >= use.cards ? "NoCardTakesWork" : "HasCards";
}

std::string message_of(const PoolFacts& pool, const PoolUse& use) {
  if (!pool.wrong.empty()) return pool.wrong;
  std::string text;
  if (use.cards == 0) text = "no card is selected";
  if (use.sick + use.drained > 0)
    text = std::to_string(use.sick) + " of its cards are sick, " + std::to_string(use.drained) +
           " are of nodes that take no new work";
  if (use.unsure > 0)
    text += (text.empty() ? "" : "; ") + std::to_string(use.unsure) +
            " cards are left out, a selector has no value for them: " + use.doubt.substr(0, 300);
  return text;
}

}  // namespace

base::Result<PoolFacts> read_pool(std::string_view text) {
  FLEXAI_TRY_ASSIGN(const Json json, kube::parse_object(text));
  const Json& meta = at(json, "metadata");
  const Json& spec = at(json, "spec");
  PoolFacts pool;
  pool.name = text_at(meta, "name");
  pool.uid = text_at(meta, "uid");
  pool.generation = number_at(meta, "generation");
  for (const auto& [key, value] : object_at(spec, "nodeSelector").items())
    if (value.is_string()) pool.node_selector[key] = value.get<std::string>();
  auto selectors = selectors_of(list_at(spec, "selectors"));
  if (selectors.ok())
    pool.selectors = std::move(*selectors);
  else
    pool.wrong = selectors.error().message;
  pool.spec = dump(spec);
  Json status = at(json, "status");
  if (status.is_object() && status.contains("conditions"))
    for (Json& condition : status["conditions"])
      if (condition.is_object()) condition.erase("lastTransitionTime");
  pool.status = dump(status);
  return pool;
}

base::Result<bool> holds(const PoolFacts& pool, const Labels& node, const Card& card) {
  if (!pool.wrong.empty()) return false;
  for (const auto& [key, value] : pool.node_selector) {
    const auto label = node.find(key);
    if (label == node.end() || label->second != value) return false;
  }
  for (const Selector& selector : pool.selectors) {
    FLEXAI_TRY_ASSIGN(const bool holds, cel::holds(*selector, card.seen));
    if (!holds) return false;
  }
  return true;
}

std::string status_of(const PoolFacts& pool, const PoolUse& use) {
  const std::string reason = reason_of(pool, use);
  Json models = Json::array();
  for (const auto& [model, cards] : use.models)
    if (models.size() < kMostModels) models.push_back({{"model", model}, {"cards", cards}});
  int64_t together = 0;
  for (const auto& [root, cards] : use.roots) together = std::max(together, cards);
  const Json status{
      {"observedGeneration", pool.generation},
      {"nodes", use.nodes},
      {"cards", use.cards},
      {"sick", use.sick},
      {"drained", use.drained},
      {"compute", use.compute},
      {"used", use.used},
      {"free", use.free},
      {"largest", use.largest},
      {"memory", use.memory},
      {"memoryFree", use.memory_free},
      {"ncu", use.ncu},
      {"slices", use.slices},
      {"models", std::move(models)},
      {"links",
       {{"roots", use.roots.size()},
        {"together", together},
        {"slowest", use.slowest},
        {"network", use.network}}},
      {"conditions", Json::array({{{"type", "Ready"},
                                   {"status", reason == "HasCards" ? "True" : "False"},
                                   {"observedGeneration", pool.generation},
                                   {"reason", reason},
                                   {"message", message_of(pool, use)}}})}};
  return dump(status);
}

kube::Call write_status(const PoolFacts& pool, const std::string& status, const std::string& when) {
  Json body{{"metadata", {{"uid", pool.uid}}}, {"status", *model::parse_json(status)}};
  for (Json& condition : body["status"]["conditions"]) condition["lastTransitionTime"] = when;
  kube::Call call =
      kube::patch(kube::kXpuPools, {"", pool.name}, kube::Patch::kMerge, dump(body), "status");
  call.priority = kube::Priority::kLow;
  return call;
}

}  // namespace flexai::control
