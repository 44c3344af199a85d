#include "control/writes.h"

#include <algorithm>
#include <set>

#include "control/card.h"
#include "control/json_parts.h"
#include "kube/names.h"
#include "kube/resources.h"
#include "model/json.h"

namespace flexai::control {
namespace {

constexpr size_t kLongestNote = 1024;  // of an event; the API's bound

kube::ObjectName name_of(const ClaimFacts& claim) { return {claim.ns, claim.name}; }
kube::ObjectName name_of(const PodFacts& pod) { return {pod.ns, pod.name}; }

Json reference(const kube::Reference& pod) {
  return {{"resource", "pods"}, {"name", pod.name}, {"uid", pod.uid}};
}

Json results_of(const std::vector<Given>& given) {
  Json results = Json::array();
  for (const Given& g : given) {
    Json result{{"request", g.request},
                {"driver", kube::kDriverName},
                {"pool", g.pool},
                {"device", g.card}};
    if (!g.share_id.empty()) result["shareID"] = g.share_id;
    if (g.admin) result["adminAccess"] = true;
    for (const auto& [name, amount] : g.consumed) {
      const size_t slash = name.find('/');
      const bool own = name.substr(0, slash) == kube::kDriverName;
      result["consumedCapacity"][own ? name.substr(slash + 1) : name] = text_of(amount);
    }
    results.push_back(std::move(result));
  }
  return results;
}

void add_configs(const std::string& text, const char* source, Json* to) {
  const auto list = model::parse_json(text);
  if (!list.ok()) return;
  for (Json config : *list) {
    config["source"] = source;
    to->push_back(std::move(config));
  }
}

// Those of a class concern the requests that name it.
Json configs_of(const ClaimFacts& claim, const std::vector<const ClassFacts*>& classes,
                const std::vector<Given>& given) {
  Json configs = Json::array();
  std::set<std::string> seen;
  for (const ClassFacts* of : classes) {
    if (of == nullptr || !seen.insert(of->name).second) continue;
    Json names = Json::array();
    for (const auto& ways : claim.requests)
      for (const Request& way : ways)
        for (const Given& g : given)
          if (g.request == way.name && way.device_class == of->name) {
            names.push_back(way.name);
            break;
          }
    Json own = Json::array();
    add_configs(of->config, "FromClass", &own);
    if (names.empty()) continue;
    for (Json& config : own) {
      config["requests"] = names;
      configs.push_back(std::move(config));
    }
  }
  add_configs(claim.config, "FromClaim", &configs);
  return configs;
}

}  // namespace

kube::Call add_finalizer(const ClaimFacts& claim) {
  const Json body{
      {"metadata", {{"uid", claim.uid}, {"finalizers", Json::array({kube::kClaimFinalizer})}}}};
  return kube::patch(kube::kResourceClaims, name_of(claim), kube::Patch::kStrategic, dump(body));
}

kube::Call allocate(const ClaimFacts& claim, const std::vector<const ClassFacts*>& classes,
                    const std::vector<Given>& given, const std::string& node, const PodFacts& pod,
                    const std::string& version) {
  Json allocation{{"devices", {{"results", results_of(given)}}}};
  if (Json configs = configs_of(claim, classes, given); !configs.empty())
    allocation["devices"]["config"] = std::move(configs);
  allocation["nodeSelector"]["nodeSelectorTerms"] = Json::array(
      {{{"matchFields",
         Json::array({{{"key", "metadata.name"}, {"operator", "In"}, {"values", {node}}}})}}});
  const Json body{{"metadata", {{"uid", claim.uid}, {"resourceVersion", version}}},
                  {"status",
                   {{"allocation", std::move(allocation)},
                    {"reservedFor", Json::array({reference({pod.name, pod.uid})})}}}};
  return kube::patch(kube::kResourceClaims, name_of(claim), kube::Patch::kMerge, dump(body),
                     "status");
}

kube::Call reserve(const ClaimFacts& claim, const PodFacts& pod) {
  Json reserved = Json::array();
  for (const kube::Reference& other : claim.reserved) reserved.push_back(reference(other));
  reserved.push_back(reference({pod.name, pod.uid}));
  const Json body{{"metadata", {{"uid", claim.uid}, {"resourceVersion", claim.version}}},
                  {"status", {{"reservedFor", std::move(reserved)}}}};
  return kube::patch(kube::kResourceClaims, name_of(claim), kube::Patch::kMerge, dump(body),
                     "status");
}

kube::Call deallocate(const ClaimFacts& claim) {
  const Json body{{"metadata", {{"uid", claim.uid}, {"resourceVersion", claim.version}}},
                  {"status", {{"allocation", nullptr}, {"reservedFor", nullptr}}}};
  return kube::patch(kube::kResourceClaims, name_of(claim), kube::Patch::kMerge, dump(body),
                     "status");
}

kube::LeaseSpec lease_of(const ClaimFacts& claim, const Given& given, const kube::Reference& pod,
                         const std::string& node, const std::string& queue) {
  kube::LeaseSpec spec;
  spec.claim = {claim.name, claim.uid};
  spec.pod = pod;
  spec.node = node;
  spec.pool = given.pool;
  spec.device = given.card;
  spec.share_id = given.share_id;
  const auto amount = [&](const char* name) {
    const auto at = given.consumed.find(qualified(name, kube::kDriverName));
    return at == given.consumed.end() ? int64_t{0} : at->second.value();
  };
  spec.compute_milli = static_cast<uint32_t>(std::clamp<int64_t>(amount("compute"), 0, 1000));
  spec.memory_bytes = static_cast<uint64_t>(std::max<int64_t>(0, amount("memory")));
  spec.queue = queue;
  return spec;
}

kube::Call create_lease(const ClaimFacts& claim, size_t index, const kube::LeaseSpec& spec) {
  return kube::create(kube::kXpuLeases, claim.ns, dump(kube::lease_object(claim.ns, index, spec)));
}

kube::Call drop_lease(const kube::Lease& lease) {
  kube::RemoveOptions options;
  options.uid = lease.uid;
  return kube::remove(kube::kXpuLeases, {lease.ns, lease.name}, options);
}

kube::Call free_lease(const kube::Lease& lease) {
  const Json body = Json::array({{{"op", "test"}, {"path", "/metadata/uid"}, {"value", lease.uid}},
                                 {{"op", "remove"}, {"path", "/spec/hold"}}});
  return kube::patch(kube::kXpuLeases, {lease.ns, lease.name}, kube::Patch::kJson, dump(body));
}

kube::Call aim_lease(const kube::Lease& lease, const LeaseAim& aim) {
  Json body = Json::array(
      {{{"op", "test"}, {"path", "/metadata/uid"}, {"value", lease.uid}},
       {{"op", "test"}, {"path", "/metadata/generation"}, {"value", lease.generation}},
       {{"op", "replace"}, {"path", "/spec/compute"}, {"value", aim.compute}},
       {{"op", "replace"}, {"path", "/spec/state"}, {"value", kube::state_name(aim.state)}}});
  if (!aim.target.empty())
    body.push_back({{"op", "add"},
                    {"path", "/spec/target"},
                    {"value", {{"pool", aim.target.pool}, {"device", aim.target.device}}}});
  else if (!lease.spec.target.empty()) {
    // Not of one that has begun to move meanwhile.
    if (lease.has_status)
      body.push_back({{"op", "test"},
                      {"path", "/status/phase"},
                      {"value", kube::phase_name(lease.status.phase)}});
    body.push_back({{"op", "remove"}, {"path", "/spec/target"}});
  }
  return kube::patch(kube::kXpuLeases, {lease.ns, lease.name}, kube::Patch::kJson, dump(body));
}

kube::Call land_lease(const kube::Lease& lease) {
  const Json body = Json::array(
      {{{"op", "test"}, {"path", "/metadata/uid"}, {"value", lease.uid}},
       {{"op", "test"}, {"path", "/metadata/generation"}, {"value", lease.generation}},
       {{"op", "test"}, {"path", "/status/phase"}, {"value", kube::phase_name(lease.status.phase)}},
       {{"op", "replace"}, {"path", "/spec/pool"}, {"value", lease.spec.target.pool}},
       {{"op", "replace"}, {"path", "/spec/device"}, {"value", lease.spec.target.device}},
       {{"op", "remove"}, {"path", "/spec/target"}}});
  return kube::patch(kube::kXpuLeases, {lease.ns, lease.name}, kube::Patch::kJson, dump(body));
}

kube::Call evict(const PodFacts& pod) {
  kube::RemoveOptions options;
  options.uid = pod.uid;
  return kube::evict({pod.ns, pod.name}, options);
}

kube::Call open_gate(const PodFacts& pod) {
  const Json gates = Json::array({{{"name", kube::kGate}}});
  const Json body =
      Json::array({{{"op", "test"}, {"path", "/metadata/uid"}, {"value", pod.uid}},
                   {{"op", "test"}, {"path", "/spec/schedulingGates"}, {"value", gates}},
                   {{"op", "remove"}, {"path", "/spec/schedulingGates"}}});
  return kube::patch(kube::kPods, name_of(pod), kube::Patch::kJson, dump(body));
}

kube::Call say_condition(const PodFacts& pod, const std::string& message, const std::string& when) {
  const Json condition{{"type", "PodScheduled"},      {"status", "False"},
                       {"reason", "SchedulingGated"}, {"message", message},
                       {"lastProbeTime", nullptr},    {"lastTransitionTime", when}};
  const Json body{{"metadata", {{"uid", pod.uid}}},
                  {"status", {{"conditions", Json::array({condition})}}}};
  kube::Call call =
      kube::patch(kube::kPods, name_of(pod), kube::Patch::kStrategic, dump(body), "status");
  call.priority = kube::Priority::kLow;
  return call;
}

kube::Call say_event(const PodFacts& pod, const std::string& instance, const std::string& reason,
                     const std::string& message, const std::string& when, bool warning) {
  const Json body{
      {"apiVersion", "events.k8s.io/v1"},
      {"kind", "Event"},
      {"metadata", {{"generateName", pod.name.substr(0, 200) + "-"}, {"namespace", pod.ns}}},
      {"eventTime", when},
      {"reportingController", kComponent},
      {"reportingInstance", instance},
      {"action", "Placing"},
      {"reason", reason},
      {"type", warning ? "Warning" : "Normal"},
      {"regarding",
       {{"apiVersion", "v1"},
        {"kind", "Pod"},
        {"namespace", pod.ns},
        {"name", pod.name},
        {"uid", pod.uid}}},
      {"note", message.substr(0, kLongestNote)}};
  kube::Call call = kube::create(kube::kEvents, pod.ns, dump(body));
  call.priority = kube::Priority::kLow;
  return call;
}

}  // namespace flexai::control
