#include "kube/election.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/json.h"

namespace flexai::kube {
namespace {

using base::Code;
using nlohmann::json;

std::string text_at(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

int64_t number_at(const json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

}  // namespace

base::Status check(const LeaseTimes& t) {
  if (t.duration < base::kSecond || t.duration % base::kSecond != 0)
    return base::fail(Code::kInvalid, "lease duration: must be whole seconds, at least one");
  if (t.renew_deadline >= t.duration || t.retry_period * 2 > t.renew_deadline ||
      t.retry_period <= 0)
    return base::fail(Code::kInvalid,
                      "lease: duration > renew deadline >= 2 x retry period > 0 must hold");
  return {};
}

base::Result<LeaseRecord> lease_from_json(std::string_view text) {
  FLEXAI_TRY_ASSIGN(json root, model::parse_json(text));
  static const json kNone = json::object();
  auto part = [&root](const char* key) -> const json& {
    auto it = root.is_object() ? root.find(key) : root.end();
    return it != root.end() && it->is_object() ? *it : kNone;
  };
  const json &metadata = part("metadata"), &spec = part("spec");
  LeaseRecord lease;
  lease.resource_version = text_at(metadata, "resourceVersion");
  lease.uid = text_at(metadata, "uid");
  lease.holder = text_at(spec, "holderIdentity");
  lease.acquired = text_at(spec, "acquireTime");
  lease.renewed = text_at(spec, "renewTime");
  lease.seconds = number_at(spec, "leaseDurationSeconds");
  lease.transitions = number_at(spec, "leaseTransitions");
  if (lease.resource_version.empty())
    return base::fail(Code::kCorrupt, "the answer is no Lease object");
  return lease;
}

std::string lease_json(const LeaseRecord& lease, std::string_view ns, std::string_view name) {
  json spec = {{"holderIdentity", lease.holder},
               {"leaseDurationSeconds", lease.seconds},
               {"acquireTime", lease.acquired},
               {"renewTime", lease.renewed},
               {"leaseTransitions", lease.transitions}};
  json root = {{"apiVersion", "coordination.k8s.io/v1"},
               {"kind", "Lease"},
               {"metadata", {{"name", name}, {"namespace", ns}}},
               {"spec", std::move(spec)}};
  if (!lease.resource_version.empty()) root["metadata"]["resourceVersion"] = lease.resource_version;
  if (!lease.uid.empty()) root["metadata"]["uid"] = lease.uid;
  return root.dump(-1, ' ', false, json::error_handler_t::replace);
}

Election::Step Election::seen(const LeaseRecord& lease, base::Nanos now) {
  const bool changed = lease.resource_version != last_.resource_version || lease.uid != last_.uid;
  if (changed) seen_at_ = now;
  last_ = lease;
  if (lease.holder == identity_) return Step::kRenew;
  until_ = 0;  // somebody else's, or free
  return free(now) ? Step::kTake : Step::kWait;
}

Election::Step Election::absent(base::Nanos now) const {
  return last_.holder == identity_ || free(now) ? Step::kCreate : Step::kWait;
}

bool Election::free(base::Nanos now) const {
  if (last_.holder.empty()) return true;
  // The longer of what the holder says and what we would: two versions of us may differ.
  base::Nanos wait =
      std::max(std::clamp<int64_t>(last_.seconds, 0, 3600) * base::kSecond, times_.duration);
  return now >= seen_at_ + wait;
}

LeaseRecord Election::record(const std::string& wall) const {
  LeaseRecord next = last_;
  const bool ours = last_.holder == identity_;
  next.holder = identity_;
  next.seconds = times_.duration / base::kSecond;
  next.renewed = wall;
  if (!ours) next.acquired = wall;
  if (!ours && !last_.resource_version.empty()) next.transitions = last_.transitions + 1;
  return next;
}

void Election::held(const LeaseRecord& lease, base::Nanos sent, base::Nanos now) {
  last_ = lease;
  seen_at_ = now;
  until_ = sent + times_.renew_deadline;
}

}  // namespace flexai::kube
