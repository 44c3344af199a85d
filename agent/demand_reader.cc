#include "agent/demand_reader.h"

#include <algorithm>

namespace flexai::agent {
namespace {

using base::Nanos;
using limit::Demand;
using limit::Slot;

constexpr Nanos kMostBusy = INT64_MAX / 4;
constexpr Nanos kNone = -1;
constexpr Nanos kReset = 10 * base::kSecond;  // a counter this far back has been started afresh

Nanos busy_now(const Slot& slot, bool in_flight, Nanos now) {
  Nanos settled = std::clamp<Nanos>(slot.busy_ns.load(std::memory_order_relaxed), 0, kMostBusy);
  Nanos since = slot.busy_since_ns.load(std::memory_order_relaxed);
  return in_flight && since > 0 && since < now ? settled + (now - since) : settled;
}

}  // namespace

DemandReader::DemandReader(const limit::TenantPages* pages, Nanos silent, Nanos now)
    : pages_(pages), silent_(silent) {
  find_owners();
  for (Seen& seen : seen_) seen.busy = busy_now(pages_->slots[seen.slot], true, now);
}

void DemandReader::find_owners() {
  std::vector<Seen> found;
  auto old = seen_.begin();
  for (uint32_t i = 0; i < limit::kMaxSlots; ++i) {
    uint64_t owner = pages_->owners[i].load(std::memory_order_acquire);
    while (old != seen_.end() && old->slot < i) ++old;
    bool known = old != seen_.end() && old->slot == i;
    if (known) left_[i] = old->busy;
    if (owner == 0) continue;
    if (i >= left_.size()) left_.resize(i + 1, kNone);
    // Counters go on over a slot's processes.
    if (left_[i] == kNone) left_[i] = busy_now(pages_->slots[i], false, 0);
    if (known && old->owner == owner)
      found.push_back(*old);
    else
      found.push_back({i, owner, left_[i], 0, false});
  }
  seen_ = std::move(found);
}

Demand DemandReader::read(Nanos now) {
  Demand demand;
  stirring_ = false;
  for (Seen& seen : seen_) read_slot(&seen, now, &demand);
  demand.busy_total = busy_total_;
  return demand;
}

void DemandReader::read_slot(Seen* seen, Nanos now, Demand* demand) {
  const Slot& slot = pages_->slots[seen->slot];
  // The owner is in a page the tenant can write, so this says only that a slot is not in use.
  if (pages_->owners[seen->slot].load(std::memory_order_relaxed) == 0) {
    seen->active = false;
    return;
  }
  bool waiting = slot.waiting.load(std::memory_order_relaxed) != 0;
  bool in_flight = slot.in_flight.load(std::memory_order_acquire) != 0;

  Nanos busy = busy_now(slot, in_flight, now);
  if (busy > seen->busy) {
    busy_total_ += std::min(busy - seen->busy, kReset);
    seen->busy = busy;
  } else if (busy < seen->busy - kReset) {
    seen->busy = busy;
  }

  Nanos beat = std::clamp<Nanos>(slot.beat_ns.load(std::memory_order_relaxed), 0, now);
  Nanos idle_since = slot.idle_since_ns.load(std::memory_order_relaxed);
  demand->idle_since = std::max(demand->idle_since, std::clamp<Nanos>(idle_since, 0, now));
  Nanos started = slot.started_ns.load(std::memory_order_relaxed);
  demand->started = std::max(demand->started, std::clamp<Nanos>(started, 0, now));
  if (!waiting && !in_flight) {
    seen->active = false;
    return;
  }
  if (!seen->active) seen->active_since = now;
  seen->active = true;
  stirring_ = true;
  if (now - std::max(beat, seen->active_since) >= silent_) return;
  demand->waiting |= waiting;
  demand->in_flight |= in_flight;
  demand->last_beat = std::max({demand->last_beat, beat, seen->active_since});
  if (!in_flight) return;
  Nanos end = slot.est_end_ns.load(std::memory_order_relaxed);
  demand->est_end = std::max(demand->est_end, std::clamp<Nanos>(end, 0, kMostBusy));
}

}  // namespace flexai::agent
