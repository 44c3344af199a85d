#include "agent/dra/device_status.h"

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "kube/call.h"
#include "kube/names.h"
#include "kube/time_text.h"

namespace flexai::agent::dra {

using nlohmann::json;

namespace {

constexpr size_t kMostSaid = 4096;        // claims that are remembered
constexpr size_t kLongestMessage = 1024;  // the API takes 32 KiB

// What people want to know of a slice without looking elsewhere.
json data_of(const kube::Claim& claim, const kube::ClaimResult& result, const std::string& node) {
  json data = {{"slice", kube::slice_name(claim.uid, result.index)},
               {"lease", kube::lease_name(claim.uid, result.index)},
               {"host", result.pool},
               {"remote", result.pool != node}};
  if (result.compute_milli) data["compute"] = *result.compute_milli;
  if (result.memory_bytes) data["memory"] = *result.memory_bytes;
  return data;
}

}  // namespace

std::string device_status_text(const kube::Claim& claim, const std::string& node,
                               const std::string& failure, const std::string& when) {
  json devices = json::array();
  for (const kube::ClaimResult& result : claim.results) {
    const bool ready = failure.empty();
    json device = {
        {"driver", kube::kDriverName},
        {"pool", result.pool},
        {"device", result.device},
        {"conditions", json::array({{{"type", "Ready"},
                                     {"status", ready ? "True" : "False"},
                                     {"lastTransitionTime", when},
                                     {"reason", ready ? "Prepared" : "NotPrepared"},
                                     {"message", failure.substr(0, kLongestMessage)}}})}};
    // What wrote a share that is none is told so; the server would refuse it here as well.
    if (kube::is_uuid(result.share_id)) device["shareID"] = result.share_id;
    if (ready) device["data"] = data_of(claim, result, node);
    devices.push_back(std::move(device));
  }
  const json body = {
      {"apiVersion", kube::kResourceClaims.group + "/" + kube::kResourceClaims.version},
      {"kind", "ResourceClaim"},
      {"metadata", {{"name", claim.name}, {"namespace", claim.ns}, {"uid", claim.uid}}},
      {"status", {{"devices", std::move(devices)}}}};
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

void DeviceStatus::tell(const kube::Claim& claim, const std::string& failure) {
  if (claim.results.empty()) return;
  std::string said = device_status_text(claim, node_, failure, "");
  if (said_.size() >= kMostSaid && said_.count(claim.uid) == 0) said_.clear();
  std::string& last = said_[claim.uid];
  if (last == said) return;
  last = std::move(said);
  kube::Call call = kube::apply(kube::kResourceClaims, {claim.ns, claim.name},
                                device_status_text(claim, node_, failure, kube::now_text(false)),
                                "flexaid", true, "status");
  call.priority = kube::Priority::kLow;
  client_->send(std::move(call), loop_,
                [name = claim.ns + "/" + claim.name](const kube::Reply& reply) {
                  // Gone, or allocated to others meanwhile: nobody's devices any more.
                  if (!reply.ok() && reply.failure->http != 404 && reply.failure->http != 409)
                    base::log(base::Level::kWarn, "dra", "devices of a claim not told",
                              {{"claim", name}, {"why", reply.failure->message}});
                });
}

}  // namespace flexai::agent::dra
