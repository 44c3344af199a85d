#include "kube/lease.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "kube/names.h"
#include "kube/object_view.h"

namespace flexai::kube {

using base::Code;
using base::fail;
using nlohmann::json;
using View = ObjectView;

namespace {

constexpr const char* kStates[] = {"Running", "Shared", "Suspended", "Released"};
constexpr const char* kPhases[] = {"Pending",  "Running", "Shared", "Suspended",
                                   "Released", "Failed",  "Moving", "Moved"};
constexpr const char* kGranted = "Granted";
constexpr size_t kLongest = 4096;

std::string text(const View& object, const char* key) {
  const View value = object.find(key);
  return value.is_string() ? std::string(value.text().substr(0, kLongest)) : "";
}

uint64_t number(const View& object, const char* key) {
  const View value = object.find(key);
  return value.is_number_unsigned() ? static_cast<uint64_t>(value.number()) : 0;
}

base::Error wrong(const char* field) {
  return fail(Code::kCorrupt, std::string("the lease's ") + field + " is missing or wrong");
}

Reference reference(const View& object) { return {text(object, "name"), text(object, "uid")}; }

base::Result<LeaseSpec> read_spec(const View& from) {
  LeaseSpec spec;
  spec.claim = reference(from.find("claim"));
  spec.pod = reference(from.find("pod"));
  spec.node = text(from, "node");
  spec.pool = text(from, "pool");
  spec.device = text(from, "device");
  spec.share_id = text(from, "shareID");
  spec.queue = text(from, "queue");
  if (const auto hold = from.member("hold")) {
    if (!hold->is_boolean()) return wrong("spec.hold");
    spec.hold = hold->truth();
  }
  if (const auto target = from.member("target")) {
    if (!target->is_object()) return wrong("spec.target");
    spec.target = {text(*target, "pool"), text(*target, "device")};
    if (spec.target.pool.empty() || spec.target.device.empty()) return wrong("spec.target");
  }
  if (spec.claim.name.empty() || spec.claim.uid.empty()) return wrong("spec.claim");
  if (spec.pool.empty()) return wrong("spec.pool");
  if (spec.device.empty()) return wrong("spec.device");
  const uint64_t compute = number(from, "compute");
  if (!from.find("compute").is_number_unsigned() || compute > 1000) return wrong("spec.compute");
  if (!from.find("memory").is_number_unsigned()) return wrong("spec.memory");
  spec.compute_milli = static_cast<uint32_t>(compute);
  spec.memory_bytes = number(from, "memory");
  const std::string state = text(from, "state");
  for (size_t i = 0; i < std::size(kStates); ++i) {
    if (state != kStates[i]) continue;
    spec.state = static_cast<LeaseState>(i);
    return spec;
  }
  return wrong("spec.state");
}

LeaseStatus read_status(const View& from) {
  LeaseStatus status;
  status.observed_generation = static_cast<int64_t>(number(from, "observedGeneration"));
  const std::string phase = text(from, "phase");
  for (size_t i = 0; i < std::size(kPhases); ++i)
    if (phase == kPhases[i]) status.phase = static_cast<LeasePhase>(i);
  status.slice = text(from, "slice");
  status.compute_milli = static_cast<uint32_t>(number(from, "compute"));
  status.memory_bytes = number(from, "memory");
  if (from.find("used").is_number_unsigned())
    status.used_milli = static_cast<uint32_t>(std::min<uint64_t>(number(from, "used"), 1000));
  for (const View condition : from.find("conditions")) {
    if (!condition.is_object() || text(condition, "type") != kGranted) continue;
    status.granted = text(condition, "status") == "True";
    status.reason = text(condition, "reason");
    status.message = text(condition, "message");
    status.since = text(condition, "lastTransitionTime");
  }
  return status;
}

}  // namespace

const char* state_name(LeaseState state) { return kStates[static_cast<size_t>(state)]; }
const char* phase_name(LeasePhase phase) { return kPhases[static_cast<size_t>(phase)]; }

LeasePhase phase_of(LeaseState state) {
  switch (state) {
    case LeaseState::kShared:
      return LeasePhase::kShared;
    case LeaseState::kSuspended:
      return LeasePhase::kSuspended;
    case LeaseState::kReleased:
      return LeasePhase::kReleased;
    case LeaseState::kRunning:
      break;
  }
  return LeasePhase::kRunning;
}

base::Result<Lease> read_lease(const View& object) {
  if (!object.is_object()) return fail(Code::kCorrupt, "the lease is no object");
  const View meta = object.find("metadata");
  Lease lease;
  lease.ns = text(meta, "namespace");
  lease.name = text(meta, "name");
  lease.uid = text(meta, "uid");
  lease.resource_version = text(meta, "resourceVersion");
  lease.generation = static_cast<int64_t>(number(meta, "generation"));
  lease.created = text(meta, "creationTimestamp");
  lease.deleting = !meta.find("deletionTimestamp").is_null();
  for (const View one : meta.find("finalizers")) {
    if (one == kLeaseFinalizer)
      lease.held = true;
    else if (one.is_string())
      lease.finalizers.emplace_back(one.text());
  }
  FLEXAI_TRY_ASSIGN(lease.spec, read_spec(object.find("spec")));
  // The name says whose it is; nobody is to find another claim's slice by a crooked one.
  const size_t dash = lease.name.rfind('-');
  const std::string index = dash == std::string::npos ? "" : lease.name.substr(dash + 1);
  if (index.empty() || index.size() > 3 ||
      index.find_first_not_of("0123456789") != std::string::npos)
    return wrong("name");
  lease.index = static_cast<size_t>(std::atoi(index.c_str()));
  if (lease.name != lease_name(lease.spec.claim.uid, lease.index)) return wrong("name");
  const View status = object.find("status");
  lease.has_status = status.is_object();
  if (lease.has_status) lease.status = read_status(status);
  return lease;
}

base::Result<Lease> parse_lease(std::string_view text) {
  auto parsed = view_object(text);
  if (!parsed.ok()) return fail(Code::kCorrupt, "the lease: " + parsed.error().message);
  return read_lease(*parsed);
}

json spec_json(const LeaseSpec& spec) {
  json made = {{"claim", {{"name", spec.claim.name}, {"uid", spec.claim.uid}}},
               {"node", spec.node},
               {"pool", spec.pool},
               {"device", spec.device},
               {"shareID", spec.share_id},
               {"compute", spec.compute_milli},
               {"memory", spec.memory_bytes},
               {"state", state_name(spec.state)}};
  if (!spec.pod.name.empty()) made["pod"] = {{"name", spec.pod.name}, {"uid", spec.pod.uid}};
  if (!spec.queue.empty()) made["queue"] = spec.queue;
  if (spec.hold) made["hold"] = true;
  if (!spec.target.empty())
    made["target"] = {{"pool", spec.target.pool}, {"device", spec.target.device}};
  return made;
}

json lease_object(const std::string& ns, size_t index, const LeaseSpec& spec) {
  const json owner = {{"apiVersion", "resource.k8s.io/v1"},
                      {"kind", "ResourceClaim"},
                      {"name", spec.claim.name},
                      {"uid", spec.claim.uid}};
  return json{{"apiVersion", kGroupVersion},
              {"kind", "XpuLease"},
              {"metadata",
               {{"name", lease_name(spec.claim.uid, index)},
                {"namespace", ns},
                {"finalizers", {kLeaseFinalizer}},
                {"ownerReferences", json::array({owner})}}},
              {"spec", spec_json(spec)}};
}

json status_json(const LeaseStatus& status) {
  json made = {{"observedGeneration", status.observed_generation},
               {"phase", phase_name(status.phase)},
               {"slice", status.slice},
               {"compute", status.compute_milli},
               {"memory", status.memory_bytes}};
  if (status.used_milli) made["used"] = *status.used_milli;
  made["conditions"] = json::array({{{"type", kGranted},
                                     {"status", status.granted ? "True" : "False"},
                                     {"observedGeneration", status.observed_generation},
                                     {"lastTransitionTime", status.since},
                                     {"reason", status.reason},
                                     {"message", status.message}}});
  return made;
}

}  // namespace flexai::kube
