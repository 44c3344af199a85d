// Ledger: the memory account of one slice, shared by its processes, correct after a kill at any
// instruction.
//
// A reservation is a step of one lane: journal the intent (Lane), add to the slice total by
// compare-and-swap, call the driver, then commit (add to Slot::held) or roll back. Whether a dead
// process's compare-and-swap happened is decidable: the 16-byte Tally carries the last writer's
// tag, and before overwriting it every writer first records that tag in the previous writer's lane
// (a monotonic maximum). This is a detectable compare-and-swap: Attiya, Ben-Baruch, Hendler,
// "Nesting-Safe Recoverable Linearizability", PODC 2018, section 3; with helping words instead of a
// helping matrix because tags only grow.
//
// Threads: reserve/commit/roll_back/release from any thread of the owning process. Never blocks;
// kExhausted when all lanes are busy does not happen: callers beyond kLanes wait for a lane in
// process-private memory. Lifetime: the mappings outlive the Ledger.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>

#include "base/mutex.h"
#include "base/result.h"
#include "limit/layout.h"

namespace flexai::limit {

// Phases of a Lane, the low three bits of Lane::state.
enum class LanePhase : uint64_t {
  kIdle = 0,
  kReserve = 1,   // about to add `bytes` to the total, or has
  kCommit = 2,    // total is done; about to add `bytes` to held, or has
  kRollBack = 3,  // driver refused; about to take `bytes` off the total, or has
  kRelease = 4,   // driver has freed; about to take `bytes` off held, then off the total
};

class Ledger {
 public:
  // `slot` was given to this process at attach.
  Ledger(const ControlPage* control, TenantPages* pages, uint32_t slot);

  // A reservation in progress: exactly one of commit() or roll_back() must follow. Move-free,
  // value-like.
  struct Ticket {
    uint32_t lane = 0;
    uint64_t bytes = 0;
  };

  // Adds `bytes` to the slice, or kExhausted with a message that names asked, used and limit.
  base::Result<Ticket> reserve(uint64_t bytes);
  void commit(const Ticket& ticket);
  void roll_back(const Ticket& ticket);
  // Returns bytes committed earlier by this process, after the driver has freed them.
  void release(uint64_t bytes);

  uint64_t used() const;  // of the whole slice
  uint64_t limit() const;

 private:
  uint32_t take_lane();
  void give_lane(uint32_t lane);

  const ControlPage* control_;
  TenantPages* pages_;
  uint32_t slot_;
  base::Mutex mutex_;
  std::condition_variable_any lane_free_;
  uint32_t busy_lanes_ FLEXAI_GUARDED_BY(mutex_) = 0;  // bit set
};

// The agent's side: what a dead process still held, returned to the slice. Idempotent: may itself
// be killed at any instruction and run again. Frees the slot. Returns the bytes given back (as far
// as the pages let it know). Never trusts the pages: the total is clamped at zero, indices are its
// own.
uint64_t reap(TenantPages* pages, uint32_t slot);

// Reads the settled bytes of the slice; of one slot.
uint64_t total_bytes(const TenantPages* pages);
uint64_t held_bytes(const TenantPages* pages, uint32_t slot);

}  // namespace flexai::limit
