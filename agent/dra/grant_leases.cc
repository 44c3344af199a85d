// Grants and the leases that speak for them: their specs are followed, their statuses written.
#include <time.h>

#include <nlohmann/json.hpp>

#include "agent/dra/grants.h"
#include "base/log.h"
#include "kube/call.h"
#include "kube/client.h"
#include "kube/names.h"
#include "kube/time_text.h"

namespace flexai::agent::dra {

using base::Level;
using kube::Lease;
using kube::LeasePhase;
using kube::LeaseState;
using kube::LeaseStatus;
using nlohmann::json;

namespace {

constexpr base::Nanos kMeasure = 30 * base::kSecond;
constexpr uint32_t kWorthAWrite = 50;  // thousandths
constexpr base::Nanos kMovePatience = 20 * base::kSecond;
constexpr base::Nanos kTryAgain = 5 * base::kSecond;

}  // namespace

void Grants::watch_leases() {
  kube::ListWatchOptions options;
  options.resource = kube::kXpuLeases;
  options.selection.field_selector = "spec.pool=" + node_;
  kube::ReflectorHandlers<Lease> handlers;
  handlers.added = [this](const std::string&, const Lease& now) { lease_told(now); };
  handlers.updated = [this](const std::string&, const Lease&, const Lease& now) {
    lease_told(now);
  };
  handlers.deleted = [this](const std::string&, const Lease& last) { lease_deleted(last); };
  handlers.synced = [this] {
    leases_synced_ = true;
    check_came();
  };
  handlers.trouble = [](const kube::Failure& failure) {
    base::log(Level::kDebug, "dra", "leases not watched", {{"why", failure.message}});
  };
  lease_watch_ = std::make_unique<kube::Reflector<Lease>>(
      *client_, *around_.loop, std::move(options),
      [](const kube::Meta&, kube::ObjectText text) -> base::Result<std::optional<Lease>> {
        FLEXAI_TRY_ASSIGN(Lease lease, kube::parse_lease(text.json));
        return std::optional(std::move(lease));
      },
      std::move(handlers));
}

void Grants::lease_told(const Lease& told) {
  const Lease lease = told;  // `told` may be the one that is replaced here
  const std::string slice = kube::slice_name(lease.spec.claim.uid, lease.index);
  leases_[slice] = lease;
  coming_.erase(slice);
  auto it = grants_.find(slice);
  const bool left = lease.status.phase == LeasePhase::kMoved;
  const bool over = lease.deleting || lease.spec.state == LeaseState::kReleased;
  if (it == grants_.end()) {
    const bool leads_away = !lease.spec.target.empty();
    if (over && left && leads_away) return;  // the target's agent speaks for it
    if (over) return release(lease);
    if (leads_away && left) return;
    // Nothing of it is here: it has gone, or ended on its way.
    if (leads_away && lease.status.phase == LeasePhase::kMoving) return tell_moved(lease);
    if (left) return tell_idle(lease);
    if (lease.has_status && !lease.status.slice.empty()) tell_idle(lease);
    return;
  }
  const bool other = it->second.record.share_id != lease.spec.share_id ||
                     it->second.record.uid != lease.spec.claim.uid;
  if (over || other)
    return give_back(slice, over ? "its lease has ended" : "its lease is about another share",
                     [](base::Status) {});
  it->second.watch.reset();
  if (SliceEntry* entry = around_.slices->by_name(slice); entry != nullptr && !it->second.ending)
    follow(lease, entry);
}

void Grants::lease_deleted(const Lease& lease) {
  const std::string slice = kube::slice_name(lease.spec.claim.uid, lease.index);
  leases_.erase(slice);
  give_back(slice, "its lease was deleted", [](base::Status) {});
}

// Makes true what the spec says, and says so. What is suspended leaves its promise and its memory
// to others: the memory goes to the host's, with the sessions that hold it.
void Grants::follow(const Lease& lease, SliceEntry* entry) {
  if (!lease.spec.target.empty()) return leave(lease, entry);
  const bool away = lease.spec.state == LeaseState::kSuspended;
  const bool gone = entry->slice.residency != model::Residency::kCard;
  if (entry->moving) return;  // looked at again when it has come to its end
  if (!away && gone) {
    // First the promise, then the memory: what has no room for one needs not the other.
    if (const base::Status set = set_terms(lease, entry); !set.ok())
      return report(lease, entry, set);
  }
  if (away == gone) return report(lease, entry, set_terms(lease, entry));
  around_.move(entry->slice.name, away ? model::Residency::kMemory : model::Residency::kCard,
               kMovePatience,
               [this, slice = entry->slice.name](const base::Status& done) { moved(slice, done); });
}

void Grants::moved(const std::string& slice, const base::Status& done) {
  const Lease* lease = lease_of(slice);
  SliceEntry* entry = around_.slices->by_name(slice);
  auto it = grants_.find(slice);
  if (lease == nullptr || entry == nullptr || it == grants_.end() || it->second.ending) return;
  if (done.ok()) return follow(Lease(*lease), entry);  // it may say something else by now
  report(*lease, entry, done);
  // What is to come back is tried again: others may leave the card.
  if (lease->spec.state == LeaseState::kSuspended) return;
  around_.loop->at(base::monotonic_now() + kTryAgain, [this, slice] {
    const Lease* now = lease_of(slice);
    SliceEntry* there = around_.slices->by_name(slice);
    if (now != nullptr && there != nullptr && holds(slice) && !grants_.at(slice).ending)
      follow(Lease(*now), there);
  });
}

base::Status Grants::set_terms(const Lease& lease, SliceEntry* entry) {
  const kube::LeaseSpec& spec = lease.spec;
  SliceChange change;
  const bool nothing = spec.state != LeaseState::kRunning || spec.compute_milli == 0;
  const bool effortless = entry->slice.qos == model::Qos::kBestEffort;
  if (nothing && !effortless) change.qos = model::Qos::kBestEffort;
  if (!nothing && effortless) change.qos = model::Qos::kElastic;
  if (!nothing && (entry->slice.compute_milli != spec.compute_milli || change.qos))
    change.compute_milli = spec.compute_milli;
  if (spec.memory_bytes != 0 && entry->slice.memory_bytes != spec.memory_bytes)
    change.memory_bytes = spec.memory_bytes;
  if (!change.qos && !change.compute_milli && !change.memory_bytes) return {};
  auto set = around_.slices->set(entry->slice.name, change);
  return set.ok() ? base::Status() : base::Status(set.error());
}

void Grants::report(const Lease& lease, const SliceEntry* entry, const base::Status& done) {
  const bool on_card = entry->slice.residency == model::Residency::kCard;
  LeaseStatus status = lease.status;
  status.phase = done.ok() ? kube::phase_of(lease.spec.state) : LeasePhase::kFailed;
  status.slice = entry->slice.name;
  status.compute_milli = entry->slice.compute_milli;
  status.memory_bytes = on_card ? entry->slice.memory_bytes : 0;
  status.granted = done.ok();
  status.reason = done.ok() ? "Granted" : "NotChanged";
  status.message = done.ok() ? "" : done.error().message;
  tell(lease, std::move(status));
}

// How much of the card the slices took, averaged over a minute; written down only when it is
// another than it was.
void Grants::measure() {
  for (Card& card : around_.cards->all()) {
    if (grants_.empty() || card.arbiter == nullptr) continue;
    for (const SliceUse& use : card.arbiter->snapshot().slices) {
      const SliceEntry* entry = around_.slices->by_id(use.id);
      auto it = entry == nullptr ? grants_.end() : grants_.find(entry->slice.name);
      if (it == grants_.end()) continue;
      auto& [before, last] = it->second.charged;
      const auto now = static_cast<uint64_t>(std::max<base::Nanos>(use.use.charged, 0));
      const uint64_t took = now - std::min(before, now);
      before = std::exchange(last, now);
      const auto used = static_cast<uint32_t>(
          std::min<uint64_t>(took / (2 * static_cast<uint64_t>(kMeasure) / 1000), 1000));
      const Lease* lease = lease_of(it->first);
      if (lease == nullptr || it->second.ending || it->second.leaving ||
          lease->status.slice != it->first)
        continue;
      if (++it->second.looks < 3) continue;  // not a whole minute yet
      const auto was = lease->status.used_milli;
      if (was && std::max(used, *was) - std::min(used, *was) < kWorthAWrite) continue;
      LeaseStatus status = lease->status;
      status.used_milli = used;
      tell(*lease, std::move(status));
    }
  }
  around_.loop->at(base::monotonic_now() + kMeasure, [this] { measure(); });
}

// Nothing here belongs to it any more.
void Grants::release(const Lease& lease) {
  if (lease.deleting) {
    if (!lease.held) return;
    const json body = {{"metadata",
                        {{"resourceVersion", lease.resource_version},
                         {"uid", lease.uid},
                         {"finalizers", lease.finalizers}}}};
    client_->send(
        kube::patch(kube::kXpuLeases, {lease.ns, lease.name}, kube::Patch::kMerge, body.dump()),
        around_.loop, [name = lease.name](const kube::Reply& reply) {
          // A newer state of it comes by the watch, and it is tried again.
          if (!reply.ok() && reply.failure->http != 404 && reply.failure->http != 409)
            base::log(Level::kWarn, "dra", "lease not let go",
                      {{"lease", name}, {"why", reply.failure->message}});
        });
    return;
  }
  LeaseStatus status = lease.status;
  status.phase = LeasePhase::kReleased;
  status.slice.clear();
  status.compute_milli = 0;
  status.memory_bytes = 0;
  status.granted = false;
  status.reason = "Released";
  status.message.clear();
  tell(lease, std::move(status));
}

// It may be prepared again.
void Grants::tell_idle(const Lease& lease) {
  LeaseStatus status = lease.status;
  status.phase = LeasePhase::kPending;
  status.slice.clear();
  status.granted = false;
  status.reason = "NotPrepared";
  status.message.clear();
  tell(lease, std::move(status));
}

// One write, and only when something is new.
void Grants::tell(const Lease& lease, LeaseStatus status) {
  status.observed_generation = lease.generation;
  const bool flipped = !lease.has_status || status.granted != lease.status.granted ||
                       status.reason != lease.status.reason;
  status.since = flipped || lease.status.since.empty() ? kube::now_text(false) : lease.status.since;
  if (lease.has_status && status == lease.status) return;
  const json body = {{"status", kube::status_json(status)}};
  client_->send(kube::patch(kube::kXpuLeases, {lease.ns, lease.name}, kube::Patch::kMerge,
                            body.dump(-1, ' ', false, json::error_handler_t::replace), "status"),
                around_.loop, [name = lease.name](const kube::Reply& reply) {
                  if (!reply.ok() && reply.failure->http != 404)
                    base::log(Level::kWarn, "dra", "status of a lease not written",
                              {{"lease", name}, {"why", reply.failure->message}});
                });
}

void Grants::tell_failed(const std::string& slice, const std::string& why) {
  const Lease* lease = lease_of(slice);
  if (lease == nullptr) return;
  LeaseStatus status = lease->status;
  status.phase = LeasePhase::kFailed;
  status.granted = false;
  status.reason = "NotGranted";
  status.message = why;
  tell(*lease, std::move(status));
}

}  // namespace flexai::agent::dra
