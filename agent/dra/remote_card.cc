#include "agent/dra/remote_card.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/lent_door.h"
#include "base/log.h"
#include "kube/call.h"
#include "kube/claim.h"
#include "kube/lease.h"
#include "kube/names.h"
#include "model/json.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using base::Nanos;
using nlohmann::json;

namespace {

constexpr Nanos kNodeTime = 5 * base::kSecond;
constexpr int kGrantWait = 20;   // seconds
constexpr int kGoodbyeWait = 3;  // seconds: the kubelet waits for us
constexpr Nanos kFirstPause = base::kSecond, kLongestPause = 15 * base::kSecond;

}  // namespace

base::Result<std::string> address_of(std::string_view node, const std::string& name) {
  FLEXAI_TRY_ASSIGN(const json object, model::parse_json(node));
  const json::json_pointer place("/status/addresses");
  if (object.is_object() && object.contains(place) && object[place].is_array())
    for (const json& one : object[place])
      if (one.is_object() && one.contains("type") && one["type"] == "InternalIP" &&
          one.contains("address") && one["address"].is_string())
        return one["address"].get<std::string>();
  return fail(Code::kNotFound, "node " + name + " has no InternalIP");
}

base::Result<PreparedResult> now_of(kube::Client& client, const PreparedRecord& claim,
                                    const PreparedResult& result) {
  kube::Call call =
      kube::get_object(kube::kXpuLeases, {claim.ns, kube::lease_name(claim.uid, result.index)});
  call.timeout = kNodeTime;
  const kube::Reply reply = client.wait(std::move(call));
  if (!reply.ok() && reply.failure->http == 404) return result;
  if (!reply.ok()) return reply.failure->error();
  FLEXAI_TRY_ASSIGN(const kube::Lease lease, kube::parse_lease(reply.body));
  PreparedResult now = result;
  if (lease.spec.share_id != result.share_id) return now;
  now.pool = lease.spec.pool;
  now.device = lease.spec.device;
  if (lease.status.phase == kube::LeasePhase::kMoved && !lease.spec.target.empty()) {
    now.pool = lease.spec.target.pool;
    now.device = lease.spec.target.device;
  }
  return now;
}

base::Result<HostLink> link_to(kube::Client& client, const std::string& node, const Way& way) {
  kube::Call call = kube::get_object(kube::kNodes, {"", node});
  call.timeout = kNodeTime;
  const kube::Reply reply = client.wait(std::move(call));
  if (!reply.ok())
    return fail(reply.failure->code,
                "node " + node + ", whose card it is: " + reply.failure->message);
  FLEXAI_TRY_ASSIGN(std::string address, address_of(reply.body, node));
  if (address.find(':') != std::string::npos) address = "[" + address + "]";
  return HostLink::open(address + ":" + std::to_string(way.port), way.pki, node);
}

base::Result<Lent> ask_for(HostLink& link, const PreparedRecord& claim,
                           const PreparedResult& result) {
  const json body = {{"namespace", claim.ns},    {"name", claim.name},
                     {"uid", claim.uid},         {"index", result.index},
                     {"share", result.share_id}, {"device", result.device}};
  auto answer = link.call("POST", "/v1/claims", body.dump(), kGrantWait);
  if (!answer.ok())
    return fail(answer.error().code, "node " + result.pool + ": " + answer.error().message);
  const auto wrong = [&] {
    return fail(Code::kCorrupt, "node " + result.pool + " answers with something else");
  };
  Lent lent;
  lent.node = result.pool;
  if (!answer->is_object() || !answer->contains("id") || !(*answer)["id"].is_number_unsigned() ||
      !answer->contains("apis") || !(*answer)["apis"].is_array())
    return wrong();
  lent.run = (*answer)["id"].get<uint64_t>();
  for (const json& api : (*answer)["apis"]) {
    if (!api.is_string()) return wrong();
    lent.apis.insert(api.get<std::string>());
  }
  auto grace = answer->find("grace_seconds");
  if (grace != answer->end() && grace->is_number_unsigned() && *grace <= 3600u && *grace >= 1u)
    lent.grace = static_cast<Nanos>(grace->get<uint64_t>()) * base::kSecond;
  return lent;
}

void give_back(kube::Client& client, const PreparedResult& result, const Way& way) {
  auto link = link_to(client, result.pool, way);
  auto gone = link.ok()
                  ? link->call("DELETE", "/v1/runs/" + std::to_string(result.run), "", kGoodbyeWait)
                  : base::Result<json>(link.error());
  if (!gone.ok() && gone.error().code != Code::kNotFound)
    base::log(base::Level::kWarn, "dra", "not given back at once",
              {{"node", result.pool}, {"why", gone.error().message}});
}

RemoteDoor::RemoteDoor(std::shared_ptr<kube::Client> client, PreparedRecord claim,
                       PreparedResult result, Way way, base::Fd listener, std::optional<Lent> lent)
    : client_(std::move(client)),
      claim_(std::move(claim)),
      result_(std::move(result)),
      way_(std::move(way)),
      listener_(std::move(listener)),
      lent_(std::move(lent)) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return;
  held_ = base::Fd(ends[0]);
  hold_ = base::Fd(ends[1]);
  thread_ = std::thread([this] { serve(); });
}

RemoteDoor::~RemoteDoor() {
  hold_.reset();
  if (thread_.joinable()) thread_.join();
}

bool RemoteDoor::pause(Nanos time) {
  pollfd one{held_.get(), POLLIN, 0};
  return ::poll(&one, 1, static_cast<int>(time / base::kMillisecond)) == 0;
}

// Where its card is by now.
base::Result<HostLink> RemoteDoor::ask(Lent* lent) const {
  FLEXAI_TRY_ASSIGN(const PreparedResult now, now_of(*client_, claim_, result_));
  FLEXAI_TRY_ASSIGN(HostLink there, link_to(*client_, now.pool, way_));
  FLEXAI_TRY_ASSIGN(*lent, ask_for(there, claim_, now));
  return there;
}

// Granted, and how it is reached; nullopt: it is over.
std::optional<HostLink> RemoteDoor::link() {
  for (Nanos time = kFirstPause;; time = std::min(2 * time, kLongestPause)) {
    Lent lent;
    auto made = lent_ ? link_to(*client_, lent_->node, way_) : ask(&lent);
    if (made.ok() && !lent_) lent_ = std::move(lent);
    if (made.ok()) return std::move(*made);
    base::log(base::Level::kWarn, "dra", "card not granted again",
              {{"claim", claim_.ns + "/" + claim_.name}, {"why", made.error().message}});
    if (!pause(time)) return std::nullopt;
  }
}

void RemoteDoor::serve() {
  std::optional<HostLink> first = link();
  if (!first) return;
  LentDoor door(std::move(*first), std::to_string(lent_->run), {std::move(listener_), {}},
                lent_->grace / 4);
  door.leaves_at_once = true;
  door.ask_again = [this]() -> base::Result<LentDoor::Another> {
    Lent lent;
    FLEXAI_TRY_ASSIGN(HostLink there, ask(&lent));
    return LentDoor::Another{std::move(there), std::to_string(lent.run)};
  };
  door.serve(held_.get());
}

}  // namespace flexai::agent::dra
