#include "agent/dra/claim_requests.h"

#include <nlohmann/json.hpp>
#include <set>

#include "kube/call.h"
#include "kube/lease.h"
#include "kube/names.h"
#include "model/json.h"
#include "model/json_reader.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr size_t kLongest = 253;
constexpr base::Nanos kPatience = 10 * base::kSecond;
constexpr size_t kMostPods = 64;  // of a claim that are looked at

}  // namespace

struct ClaimRequests::Request {
  Api::Reply reply;
  std::string host, ns, name, uid, share, device;
  uint64_t index = 0;
  kube::Claim claim;
  kube::ClaimResult result;
  size_t pod = 0;  // that is looked at
};

void ClaimRequests::post(const Api::Request& call, const Api::Reply& reply) {
  auto request = std::make_shared<Request>();
  request->reply = reply;
  request->host = call->host;
  model::JsonReader fields(call->body);
  request->ns = fields.text("namespace", kLongest).value_or("");
  request->name = fields.text("name", kLongest).value_or("");
  request->uid = fields.text("uid", kLongest).value_or("");
  request->share = fields.text("share", kLongest).value_or("");
  request->device = fields.text("device", kLongest).value_or("");
  request->index = fields.number("index", 999).value_or(0);
  base::Status read = fields.finish();
  for (const auto* text : {&request->ns, &request->name, &request->uid})
    if (read.ok() && (text->empty() || text->find('/') != std::string::npos))
      read = fail(Code::kInvalid, "fields \"namespace\", \"name\" and \"uid\" name a claim");
  if (!read.ok()) return reply->finish(read.error());
  kube::Call get = kube::get_object(kube::kResourceClaims, {request->ns, request->name});
  get.timeout = kPatience;
  client_->send(std::move(get), around_.loop,
                [this, request](const kube::Reply& answer) { claim_read(request, answer); });
}

void ClaimRequests::claim_read(const RequestPtr& request, const kube::Reply& answer) {
  const std::string called = "claim " + request->ns + "/" + request->name;
  if (!answer.ok())
    return request->reply->finish(
        fail(answer.failure->code, called + ": " + answer.failure->message));
  auto claim = kube::parse_claim(answer.body);
  if (!claim.ok()) return request->reply->finish(claim.error());
  if (claim->uid != request->uid)
    return request->reply->finish(
        fail(Code::kConflict, called + " is another one now, of the same name"));
  if (!claim->allocated)
    return request->reply->finish(fail(Code::kConflict, called + " is not allocated"));
  request->claim = std::move(*claim);
  const size_t index = request->index;
  const kube::Lease* lease = grants_->lease_of(kube::slice_name(request->uid, index));
  if (lease != nullptr && lease->spec.target.empty() && lease->spec.pool == node_)
    return look_for(request, lease);
  // None that the watch has told of: it may have moved here or away.
  kube::Call get =
      kube::get_object(kube::kXpuLeases, {request->ns, kube::lease_name(request->uid, index)});
  get.timeout = kPatience;
  client_->send(std::move(get), around_.loop,
                [this, request](const kube::Reply& reply) { lease_read(request, reply); });
}

void ClaimRequests::lease_read(const RequestPtr& request, const kube::Reply& answer) {
  if (!answer.ok() && answer.failure->http == 404) return look_for(request, nullptr);
  auto lease = answer.ok() ? kube::parse_lease(answer.body)
                           : base::Result<kube::Lease>(answer.failure->error());
  if (!lease.ok()) return request->reply->finish(lease.error());
  look_for(request, &*lease);
}

// The claim says where its cards were first, its lease where they are now.
void ClaimRequests::look_for(const RequestPtr& request, const kube::Lease* lease) {
  const std::string called = "claim " + request->ns + "/" + request->name;
  std::string pool, device;
  if (lease != nullptr && lease->spec.claim.uid == request->uid &&
      lease->spec.share_id == request->share) {
    const bool moved =
        lease->status.phase == kube::LeasePhase::kMoved && !lease->spec.target.empty();
    pool = moved ? lease->spec.target.pool : lease->spec.pool;
    device = moved ? lease->spec.target.device : lease->spec.device;
    if (pool != node_)
      return request->reply->finish(
          fail(Code::kUnavailable, called + " has a card of node " + pool + " by now; ask there"));
  }
  for (const kube::ClaimResult& result : request->claim.results) {
    if (result.index != request->index || (pool.empty() && result.pool != node_)) continue;
    if (result.share_id != request->share) break;
    if ((pool.empty() ? result.device : device) != request->device) break;
    request->result = result;
    request->result.pool = node_;
    request->result.device = request->device;
    return next_pod(request);
  }
  request->reply->finish(
      fail(Code::kDenied, called + " was not given share " + request->share.substr(0, 40) + " of " +
                              request->device.substr(0, 63) + " on node " + node_));
}

void ClaimRequests::next_pod(const RequestPtr& request) {
  if (request->pod >= std::min(request->claim.pods.size(), kMostPods))
    return request->reply->finish(
        fail(Code::kDenied, "claim " + request->ns + "/" + request->name +
                                " is reserved for no pod that is bound to node " + request->host));
  kube::Call get =
      kube::get_object(kube::kPods, {request->ns, request->claim.pods[request->pod].name});
  get.timeout = kPatience;
  client_->send(std::move(get), around_.loop,
                [this, request](const kube::Reply& answer) { pod_read(request, answer); });
}

void ClaimRequests::pod_read(const RequestPtr& request, const kube::Reply& answer) {
  if (!answer.ok() && answer.failure->http != 404)
    return request->reply->finish(answer.failure->error());
  if (answer.ok() && is_bound(answer.body, request->claim.pods[request->pod].uid, request->host))
    return grant(request);
  ++request->pod;
  next_pod(request);
}

void ClaimRequests::grant(const RequestPtr& request) {
  auto run = grants_->grant(request->claim, request->result, request->host);
  if (!run.ok()) return request->reply->finish(run.error());
  std::set<std::string> apis;
  for (uint64_t id : (*run)->stored.slices)
    if (SliceEntry* entry = around_.slices->by_id(id))
      if (Card* card = around_.slices->card_of(*entry)) apis.insert(card->device.api);
  request->reply->finish(
      Answer{201, "", "",
             json{{"id", (*run)->stored.id},
                  {"slice", (*run)->stored.claim},
                  {"apis", apis},
                  {"grace_seconds", around_.sessions->config().grace / base::kSecond}}});
}

bool is_bound(std::string_view pod, const std::string& uid, const std::string& node) {
  auto parsed = model::parse_json(pod);
  if (!parsed.ok() || !parsed->is_object() || uid.empty() || node.empty()) return false;
  const auto text = [&](const char* place) -> std::string {
    const json::json_pointer at(place);
    return parsed->contains(at) && (*parsed)[at].is_string() ? (*parsed)[at].get<std::string>()
                                                             : "";
  };
  return text("/metadata/uid") == uid && text("/spec/nodeName") == node;
}

}  // namespace flexai::agent::dra
