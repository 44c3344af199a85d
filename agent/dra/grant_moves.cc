// Grants that go to a card of another node while their pods run, and those that come from one. The
// lease says where to; the agent of the card where it is does it, and says in the lease's status
// how far it is. From Moving on nobody else may call it off.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/dra/grants.h"
#include "agent/dra/remote_card.h"
#include "base/log.h"
#include "kube/call.h"
#include "kube/client.h"
#include "kube/names.h"

namespace flexai::agent::dra {

using base::Code;
using base::fail;
using base::Level;
using kube::Lease;
using kube::LeasePhase;
using kube::LeaseState;
using kube::LeaseStatus;
using nlohmann::json;

namespace {

constexpr base::Nanos kPatience = 20 * base::kSecond;  // of a worker, for what is under way
constexpr base::Nanos kCallTime = 10 * base::kSecond;
constexpr base::Nanos kTryAgain = base::kSecond, kReadAgain = 5 * base::kSecond;
constexpr int kFewTries = 5;
constexpr int kMostTries = 60;  // an earlier try may have to end first

std::string slice_of(const Lease& lease) {
  return kube::slice_name(lease.spec.claim.uid, lease.index);
}

bool is_over(const Lease& lease) {
  return lease.deleting || lease.spec.state == LeaseState::kReleased;
}

kube::Call read_call(const kube::Resource& of, const std::string& ns, const std::string& name) {
  kube::Call get = kube::get_object(of, {ns, name});
  get.timeout = kCallTime;
  return get;
}

}  // namespace

// Where it is.

// What its program would notice is refused, and said; else Moving is written down first.
void Grants::leave(const Lease& lease, SliceEntry* entry) {
  const std::string slice = slice_of(lease);
  Grant& grant = grants_.at(slice);
  if (grant.leaving || grant.ending || entry->moving) return;
  const bool heard = lease.status.observed_generation >= lease.generation;
  if (lease.status.phase == LeasePhase::kFailed && heard) return;  // it was said why not
  if (grant.record.host.empty())
    return tell_stays(slice, fail(Code::kUnsupported,
                                  "its pod is of the card's own node, and stays on it; only pods "
                                  "of other nodes can be moved while they run"));
  grant.leaving = true;
  grant.tries = 0;
  if (lease.status.phase == LeasePhase::kMoving) return go(slice);  // one that was killed began it
  LeaseStatus status = lease.status;
  status.phase = LeasePhase::kMoving;
  status.observed_generation = lease.generation;
  const json body = {{"metadata", {{"resourceVersion", lease.resource_version}}},
                     {"status", kube::status_json(status)}};
  client_->send(
      kube::patch(kube::kXpuLeases, {lease.ns, lease.name}, kube::Patch::kMerge,
                  body.dump(-1, ' ', false, json::error_handler_t::replace), "status"),
      around_.loop, [this, slice](const kube::Reply& reply) {
        auto it = grants_.find(slice);
        if (it == grants_.end() || it->second.ending) return;
        if (reply.ok()) return go(slice);
        it->second.leaving = false;
        // A newer state of it comes by the watch, or came meanwhile.
        around_.loop->at(base::monotonic_now() + kTryAgain, [this, slice] {
          const Lease* now = lease_of(slice);
          SliceEntry* there = around_.slices->by_name(slice);
          if (now != nullptr && there != nullptr && holds(slice) && !grants_.at(slice).ending)
            follow(Lease(*now), there);
        });
      });
}

void Grants::go(const std::string& slice) {
  const Lease* lease = lease_of(slice);
  if (lease == nullptr || !holds(slice) || grants_.at(slice).ending) return;
  const std::string node = lease->spec.target.pool;
  client_->send(read_call(kube::kNodes, "", node), around_.loop,
                [this, slice, node](const kube::Reply& reply) {
                  if (!reply.ok()) return departed(slice, reply.failure->error());
                  auto address = address_of(reply.body, node);
                  if (!address.ok()) return departed(slice, address.error());
                  const bool six = address->find(':') != std::string::npos;
                  const std::string at = six ? "[" + *address + "]" : *address;
                  go_to(slice, at + ":" + std::to_string(peer_port_));
                });
}

void Grants::go_to(const std::string& slice, const std::string& address) {
  const Lease* lease = lease_of(slice);
  auto it = grants_.find(slice);
  if (lease == nullptr || it == grants_.end() || it->second.ending) return;
  around_.migrate(slice, {address, lease->spec.target.pool, lease->ns, lease->name}, kPatience,
                  [this, slice](const base::Status& done) { departed(slice, done); });
}

void Grants::departed(const std::string& slice, const base::Status& done) {
  auto it = grants_.find(slice);
  if (it == grants_.end() || it->second.ending) return;
  // Its workers end when their programs have come there; then its lease is told.
  it->second.left = done.ok();
  if (done.ok())
    return give_back(slice, "it goes on at a card of another node", [](base::Status) {});
  const Code code = done.error().code;
  const int tries = code == Code::kUnavailable ? kMostTries
                    : code == Code::kConflict  ? kFewTries
                                               : 0;
  if (++it->second.tries < tries) {
    around_.loop->at(base::monotonic_now() + kTryAgain, [this, slice] { go(slice); });
    return;
  }
  tell_stays(slice, done.error());
}

void Grants::tell_stays(const std::string& slice, const base::Error& why) {
  const Lease* lease = lease_of(slice);
  const SliceEntry* entry = around_.slices->by_name(slice);
  if (lease == nullptr || entry == nullptr) return;
  grants_.at(slice).leaving = false;
  around_.events->add("slice-stays", slice, why.message);
  LeaseStatus status = lease->status;
  status.phase = LeasePhase::kFailed;
  status.slice = slice;
  status.compute_milli = entry->slice.compute_milli;
  status.memory_bytes = entry->slice.memory_bytes;
  status.granted = false;
  status.reason = "NotMoved";
  status.message = why.message;
  tell(*lease, std::move(status));
}

void Grants::tell_moved(const Lease& lease) {
  LeaseStatus status = lease.status;
  status.phase = LeasePhase::kMoved;
  status.slice.clear();
  status.compute_milli = 0;
  status.memory_bytes = 0;
  status.used_milli.reset();
  status.granted = false;
  status.reason = "Moved";
  status.message.clear();
  tell(lease, std::move(status));
}

// Where it goes.

void Grants::watch_coming() {
  kube::ListWatchOptions options;
  options.resource = kube::kXpuLeases;
  options.selection.field_selector = "spec.target.pool=" + node_;
  kube::ReflectorHandlers<Lease> handlers;
  handlers.added = [this](const std::string&, const Lease& now) { coming_told(now); };
  handlers.updated = [this](const std::string&, const Lease&, const Lease& now) {
    coming_told(now);
  };
  handlers.deleted = [this](const std::string&, const Lease& last) {
    const std::string slice = slice_of(last);
    coming_.erase(slice);
    if (holds(slice) && lease_of(slice) == nullptr) check_came(slice);
  };
  handlers.synced = [this] {
    coming_synced_ = true;
    check_came();
  };
  handlers.trouble = [](const kube::Failure& failure) {
    base::log(Level::kDebug, "dra", "coming leases not watched", {{"why", failure.message}});
  };
  coming_watch_ = std::make_unique<kube::Reflector<Lease>>(
      *client_, *around_.loop, std::move(options),
      [](const kube::Meta&, kube::ObjectText text) -> base::Result<std::optional<Lease>> {
        FLEXAI_TRY_ASSIGN(Lease lease, kube::parse_lease(text.json));
        return std::optional(std::move(lease));
      },
      std::move(handlers));
}

void Grants::coming_told(const Lease& told) {
  const Lease lease = told;
  const std::string slice = slice_of(lease);
  if (lease_of(slice) != nullptr && lease_of(slice)->generation >= lease.generation) return;
  coming_[slice] = lease;
  if (!is_over(lease)) return;
  if (holds(slice)) return give_back(slice, "its lease has ended", [](base::Status) {});
  if (lease.status.phase == LeasePhase::kMoved) release(lease);
}

// What an earlier agent has taken in, and what the lease that brought it says by now.
void Grants::check_came() {
  if (!leases_synced_ || !coming_synced_) return;
  std::vector<std::string> unsure;
  for (const auto& [slice, grant] : grants_)
    if (grant.record.moved && lease_for(slice) == nullptr) unsure.push_back(slice);
  for (const std::string& slice : unsure) check_came(slice);
}

void Grants::check_came(const std::string& slice) {
  const GrantRecord record = grants_.at(slice).record;
  client_->send(read_call(kube::kXpuLeases, record.ns, kube::lease_name(record.uid, record.index)),
                around_.loop, [this, slice](const kube::Reply& reply) {
                  if (!holds(slice) || lease_for(slice) != nullptr) return;
                  const auto lease = reply.ok() ? kube::parse_lease(reply.body)
                                                : base::Result<Lease>(reply.failure->error());
                  if (!reply.ok() && reply.failure->http != 404) {
                    around_.loop->at(base::monotonic_now() + kReadAgain, [this, slice] {
                      if (holds(slice)) check_came(slice);
                    });
                    return;
                  }
                  const bool ours =
                      lease.ok() && (lease->spec.pool == node_ || lease->spec.target.pool == node_);
                  if (!ours)
                    give_back(slice, "its lease brings it here no more", [](base::Status) {});
                });
}

base::Status Grants::check_coming(const Lease& lease, const std::string& host) const {
  const std::string called = "lease " + lease.ns + "/" + lease.name;
  if (lease.spec.pool != host)
    return fail(Code::kDenied,
                called + " is about a card of " + lease.spec.pool + ", not of " + host);
  if (lease.spec.target.pool != node_)
    return fail(Code::kDenied, called + " does not lead to a card of " + node_);
  if (lease.spec.node == node_)
    return fail(Code::kUnsupported, called + " is of a pod of " + node_ +
                                        ", whose door has the name of the slice; it stays where it "
                                        "is");
  if (is_over(lease)) return fail(Code::kConflict, called + " has ended");
  if (lease.status.phase != LeasePhase::kMoving || lease.spec.state != LeaseState::kRunning)
    return fail(Code::kConflict, called + " is not on its way");
  return {};
}

void Grants::receive(const Api::Arriving& wanted, Received done) {
  const auto lease_read = [this, wanted, done](const kube::Reply& answer) {
    auto lease =
        answer.ok() ? kube::parse_lease(answer.body) : base::Result<Lease>(answer.failure->error());
    if (!lease.ok()) return done(lease.error());
    if (base::Status sound = check_coming(*lease, wanted.host); !sound.ok())
      return done(sound.error());
    client_->send(read_call(kube::kResourceClaims, lease->ns, lease->spec.claim.name), around_.loop,
                  [this, done, lease = *lease, count = wanted.sessions](const kube::Reply& reply) {
                    auto claim = reply.ok() ? kube::parse_claim(reply.body)
                                            : base::Result<kube::Claim>(reply.failure->error());
                    if (!claim.ok()) return done(claim.error());
                    done(take_in(lease, *claim, count));
                  });
  };
  client_->send(read_call(kube::kXpuLeases, wanted.ns, wanted.lease), around_.loop, lease_read);
}

base::Result<Run*> Grants::take_in(const Lease& lease, const kube::Claim& claim,
                                   uint64_t sessions) {
  const std::string slice = slice_of(lease);
  if (claim.uid != lease.spec.claim.uid || !claim.allocated)
    return fail(Code::kConflict, "claim " + claim.ns + "/" + claim.name +
                                     " is another one now, or not allocated any more");
  const auto given =
      std::find_if(claim.results.begin(), claim.results.end(), [&](const kube::ClaimResult& one) {
        return one.index == lease.index && one.share_id == lease.spec.share_id;
      });
  if (given == claim.results.end())
    return fail(Code::kDenied, "claim " + claim.ns + "/" + claim.name + " was not given share " +
                                   lease.spec.share_id);
  if (holds(slice)) {
    Run* run = around_.runs->by_claim(slice);
    // The answer to an earlier question was lost, with the agent that had asked.
    const bool works = run != nullptr && run->sessions > 0;
    if (sessions == 0 && works) return run;
    // What nobody hands on any more ends by itself; what has come, ends what is left there.
    if (!works) give_back(slice, "it is handed on again", [](base::Status) {});
    return fail(Code::kUnavailable, "slice " + slice + " of an earlier try is here still");
  }
  coming_.insert_or_assign(slice, lease);
  kube::ClaimResult result = *given;
  result.pool = node_;
  result.device = lease.spec.target.device;
  GrantRecord record{claim.ns,      claim.name,      claim.uid,      result.index,
                     result.device, result.share_id, lease.spec.node};
  record.moved = true;
  return make(claim, result, record);
}

}  // namespace flexai::agent::dra
