#include "limit/ledger.h"

#include <bit>
#include <string>

#include "limit/tally.h"
#include "model/quantity.h"

namespace flexai::limit {
namespace {

// A tenant that changes its total as fast as it can must not keep the agent busy for ever. No
// honest slice makes a compare-and-swap fail this often in a row.
constexpr int kReapTries = 1000000;

enum class ReapPhase : uint64_t {
  kIdle = 0,
  kTake = 1,   // about to take `reap_bytes` off the total, or has
  kClear = 2,  // total is done; clears the slot
};

uint64_t pack(uint64_t sequence, uint64_t phase) { return sequence << 3 | phase; }
uint64_t pack(uint64_t sequence, LanePhase phase) {
  return pack(sequence, static_cast<uint64_t>(phase));
}
uint64_t sequence_of(uint64_t state) { return state >> 3 & tally::kSequenceMask; }
LanePhase phase_of(uint64_t state) { return static_cast<LanePhase>(state & 7); }

// Records the change that is about to be overwritten in the applied word of its writer. The tag is
// hostile: it only ever selects one of our own words.
void help_total(TenantPages* pages, uint64_t tag) {
  uint64_t writer = tag >> 48;
  uint64_t slot = writer / tally::kWritersPerSlot;
  uint64_t lane = writer % tally::kWritersPerSlot;
  if (slot >= kMaxSlots) return;
  Slot& owner = pages->slots[slot];
  std::atomic<uint64_t>* applied =
      lane == tally::kReaper ? &owner.reap_applied : &owner.lanes[lane].total_applied;
  tally::advance(applied, tag & tally::kSequenceMask);
}

void help_held(Slot* slot, uint64_t tag) {
  uint64_t lane = (tag >> 48) % tally::kWritersPerSlot;
  if (lane < kLanes) tally::advance(&slot->lanes[lane].held_applied, tag & tally::kSequenceMask);
}

uint64_t less(uint64_t bytes, uint64_t taken) { return bytes > taken ? bytes - taken : 0; }

void take_off_total(TenantPages* pages, uint64_t bytes, uint64_t tag, int tries = -1) {
  for (;;) {
    Tally old = tally::load(&pages->total);
    help_total(pages, old.tag);
    Tally changed{less(old.bytes, bytes), tag};
    if (tally::swap(&pages->total, old, changed)) return;
    if (tries > 0 && --tries == 0) {
      __atomic_store_n(&pages->total.bytes, changed.bytes, __ATOMIC_RELAXED);
      return;
    }
  }
}

void raise_peak(TenantPages* pages, uint64_t bytes) {
  uint64_t peak = pages->peak_bytes.load(std::memory_order_relaxed);
  while (peak < bytes &&
         !pages->peak_bytes.compare_exchange_weak(peak, bytes, std::memory_order_relaxed)) {
  }
}

base::Error over_limit(uint64_t asked, uint64_t used, uint64_t limit) {
  return base::fail(base::Code::kExhausted, "asked for " + model::format_bytes(asked) + ", used " +
                                                model::format_bytes(used) + " of limit " +
                                                model::format_bytes(limit));
}

// Journals a new step. All earlier steps of the lane are settled, whether they happened or not, so
// its applied words may follow: they stay within half a turn of the sequence clock.
uint64_t begin(Lane* lane, LanePhase phase, uint64_t bytes) {
  uint64_t last = sequence_of(lane->state.load(std::memory_order_relaxed));
  tally::advance(&lane->total_applied, last);
  tally::advance(&lane->held_applied, last);
  lane->bytes.store(bytes, std::memory_order_relaxed);
  uint64_t sequence = tally::next(last);
  lane->state.store(pack(sequence, phase), std::memory_order_release);
  return sequence;
}

}  // namespace

Ledger::Ledger(const ControlPage* control, TenantPages* pages, uint32_t slot)
    : control_(control), pages_(pages), slot_(slot) {}

uint32_t Ledger::take_lane() {
  mutex_.lock();
  while (busy_lanes_ == (1u << kLanes) - 1) lane_free_.wait(mutex_);
  uint32_t lane = static_cast<uint32_t>(std::countr_one(busy_lanes_));
  busy_lanes_ |= 1u << lane;
  mutex_.unlock();
  return lane;
}

void Ledger::give_lane(uint32_t lane) {
  mutex_.lock();
  busy_lanes_ &= ~(1u << lane);
  mutex_.unlock();
  lane_free_.notify_one();
}

base::Result<Ledger::Ticket> Ledger::reserve(uint64_t bytes) {
  Slot& slot = pages_->slots[slot_];
  uint32_t index = take_lane();
  Lane& lane = slot.lanes[index];
  uint64_t sequence = begin(&lane, LanePhase::kReserve, bytes);
  uint64_t tag = tally::tag(slot_, index, sequence);
  for (;;) {
    Tally old = tally::load(&pages_->total);
    uint64_t most = limit();
    if (bytes > most || old.bytes > most - bytes) {
      lane.state.store(pack(sequence, LanePhase::kIdle), std::memory_order_release);
      give_lane(index);
      slot.refused_allocations.fetch_add(1, std::memory_order_relaxed);
      return over_limit(bytes, old.bytes, most);
    }
    help_total(pages_, old.tag);
    if (!tally::swap(&pages_->total, old, {old.bytes + bytes, tag})) continue;
    raise_peak(pages_, old.bytes + bytes);
    return Ticket{index, bytes};
  }
}

void Ledger::commit(const Ticket& ticket) {
  Slot& slot = pages_->slots[slot_];
  Lane& lane = slot.lanes[ticket.lane];
  uint64_t sequence = sequence_of(lane.state.load(std::memory_order_relaxed));
  uint64_t tag = tally::tag(slot_, ticket.lane, sequence);
  lane.state.store(pack(sequence, LanePhase::kCommit), std::memory_order_release);
  for (;;) {
    Tally old = tally::load(&slot.held);
    help_held(&slot, old.tag);
    if (tally::swap(&slot.held, old, {old.bytes + ticket.bytes, tag})) break;
  }
  lane.state.store(pack(sequence, LanePhase::kIdle), std::memory_order_release);
  give_lane(ticket.lane);
}

void Ledger::roll_back(const Ticket& ticket) {
  Lane& lane = pages_->slots[slot_].lanes[ticket.lane];
  // A second change of the total by this lane: it needs a tag of its own.
  uint64_t sequence = tally::next(sequence_of(lane.state.load(std::memory_order_relaxed)));
  lane.state.store(pack(sequence, LanePhase::kRollBack), std::memory_order_release);
  take_off_total(pages_, ticket.bytes, tally::tag(slot_, ticket.lane, sequence));
  lane.state.store(pack(sequence, LanePhase::kIdle), std::memory_order_release);
  give_lane(ticket.lane);
}

void Ledger::release(uint64_t bytes) {
  Slot& slot = pages_->slots[slot_];
  uint32_t index = take_lane();
  Lane& lane = slot.lanes[index];
  uint64_t sequence = begin(&lane, LanePhase::kRelease, bytes);
  uint64_t tag = tally::tag(slot_, index, sequence);
  for (;;) {
    Tally old = tally::load(&slot.held);
    help_held(&slot, old.tag);
    if (tally::swap(&slot.held, old, {less(old.bytes, bytes), tag})) break;
  }
  take_off_total(pages_, bytes, tag);
  lane.state.store(pack(sequence, LanePhase::kIdle), std::memory_order_release);
  give_lane(index);
}

uint64_t Ledger::used() const { return total_bytes(pages_); }

uint64_t Ledger::limit() const { return control_->memory_limit.load(std::memory_order_acquire); }

// --- the agent's side ----------------------------------------------------------------------------

namespace {

// Bytes of one lane that are in the total but not in what the process holds.
uint64_t stranded(const TenantPages* pages, uint32_t slot_index, uint32_t lane_index) {
  const Slot& slot = pages->slots[slot_index];
  const Lane& lane = slot.lanes[lane_index];
  uint64_t state = lane.state.load(std::memory_order_acquire);
  uint64_t bytes = lane.bytes.load(std::memory_order_relaxed);
  uint64_t tag = tally::tag(slot_index, lane_index, sequence_of(state));
  bool total = tally::happened(&pages->total, tag, lane.total_applied);
  bool held = tally::happened(&slot.held, tag, lane.held_applied);
  switch (phase_of(state)) {
    case LanePhase::kIdle:
      return 0;
    case LanePhase::kReserve:
      return total ? bytes : 0;
    case LanePhase::kCommit:
      return held ? 0 : bytes;
    case LanePhase::kRollBack:
      return total ? 0 : bytes;
    case LanePhase::kRelease:
      return held && !total ? bytes : 0;
  }
  return 0;
}

uint64_t owed(const TenantPages* pages, uint32_t slot) {
  uint64_t bytes = tally::load(&pages->slots[slot].held).bytes;
  for (uint32_t i = 0; i < kLanes; ++i) {
    uint64_t more = stranded(pages, slot, i);
    bytes = bytes > UINT64_MAX - more ? UINT64_MAX : bytes + more;
  }
  return bytes;
}

// What a next process of this slot starts from. Sequences go on and counters of use stay.
void clear(Slot* slot) {
  for (Lane& lane : slot->lanes) {
    uint64_t state = lane.state.load(std::memory_order_relaxed);
    lane.state.store(pack(sequence_of(state), LanePhase::kIdle), std::memory_order_relaxed);
  }
  __atomic_store_n(&slot->held.bytes, 0, __ATOMIC_RELAXED);
  slot->waiting.store(0, std::memory_order_relaxed);
  slot->in_flight.store(0, std::memory_order_relaxed);
  slot->busy_since_ns.store(0, std::memory_order_relaxed);
  slot->est_end_ns.store(0, std::memory_order_relaxed);
}

}  // namespace

uint64_t reap(TenantPages* pages, uint32_t slot_index) {
  if (slot_index >= kMaxSlots) return 0;
  Slot& slot = pages->slots[slot_index];
  uint64_t state = slot.reap_state.load(std::memory_order_acquire);
  uint64_t sequence = sequence_of(state);
  auto phase = static_cast<ReapPhase>(state & 7);
  auto enter = [&](ReapPhase next) {
    phase = next;
    slot.reap_state.store(pack(sequence, static_cast<uint64_t>(next)), std::memory_order_release);
  };

  if (phase != ReapPhase::kTake && phase != ReapPhase::kClear) {
    tally::advance(&slot.reap_applied, sequence);
    sequence = tally::next(sequence);
    slot.reap_bytes.store(owed(pages, slot_index), std::memory_order_relaxed);
    enter(ReapPhase::kTake);
  }
  uint64_t bytes = slot.reap_bytes.load(std::memory_order_relaxed);
  if (phase == ReapPhase::kTake) {
    uint64_t tag = tally::tag(slot_index, tally::kReaper, sequence);
    if (!tally::happened(&pages->total, tag, slot.reap_applied))
      take_off_total(pages, bytes, tag, kReapTries);
    enter(ReapPhase::kClear);
  }
  clear(&slot);
  enter(ReapPhase::kIdle);
  pages->owners[slot_index].store(0, std::memory_order_release);
  return bytes;
}

uint64_t total_bytes(const TenantPages* pages) {
  return __atomic_load_n(&pages->total.bytes, __ATOMIC_RELAXED);
}

uint64_t held_bytes(const TenantPages* pages, uint32_t slot) {
  return slot < kMaxSlots ? __atomic_load_n(&pages->slots[slot].held.bytes, __ATOMIC_RELAXED) : 0;
}

}  // namespace flexai::limit
