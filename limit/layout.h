// Shared memory of one slice, version 1 (docs/formats/shared-memory.md). Two files:
//   ControlPage  written by the agent's arbiter, mapped READ-ONLY by the tenant (sealed against new
//   writable
//                mappings). A fresh one per agent incarnation. Nothing here is ever written by a
//                tenant.
//   TenantPages  written by the slice's processes, mapped by agent and keeper. Kept by the keeper
//   across agent
//                restarts. A tenant can write rubbish into it and then harms only its own slice:
//                readers bound every index, never follow an offset found here and never wait for a
//                value to change.
// All times: nanoseconds of CLOCK_MONOTONIC. All atomics are lock-free and address-free.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace flexai::limit {

inline constexpr uint32_t kControlMagic = 0x46584331;  // "FXC1"
inline constexpr uint32_t kTenantMagic = 0x46585431;   // "FXT1"
inline constexpr uint32_t kLayoutVersion = 1;
inline constexpr uint32_t kMaxSlots = 128;  // processes of one slice at a time
inline constexpr uint32_t kLanes =
    16;  // allocations in the middle of their driver call, per process

// The lease word: everything a tenant needs to know, in one atomic load.
//   bits 63..52  sequence, changes with every publication
//   bits 51..48  flags
//   bits 47..0   end of the lease in microseconds since ControlPage::epoch_ns
// The upper half (sequence, flags) is the futex word: tenants wait for it to change.
namespace lease {
inline constexpr uint64_t kGranted = 1;  // the slice may submit until the end
inline constexpr uint64_t kContended =
    2;  // others wait: every batch is timed, in-flight work is bounded
inline constexpr uint64_t kTracked =
    4;  // use must be reported exactly (a ceiling below 100 % applies)

inline constexpr uint64_t pack(uint64_t sequence, uint64_t flags, uint64_t end_us) {
  return (sequence & 0xfff) << 52 | (flags & 0xf) << 48 | (end_us & 0xffffffffffffull);
}
inline constexpr uint64_t sequence(uint64_t word) { return word >> 52; }
inline constexpr uint64_t flags(uint64_t word) { return word >> 48 & 0xf; }
inline constexpr uint64_t end_us(uint64_t word) { return word & 0xffffffffffffull; }
}  // namespace lease

struct ControlPage {
  uint32_t magic;
  uint32_t version;
  uint64_t slice_id;
  uint64_t incarnation;  // of the agent; a tenant that sees another one on attach starts afresh
  int64_t epoch_ns;      // zero of the lease word's clock

  // Limits, changed live. Each is a single word; nothing depends on two of them changing together.
  alignas(64) std::atomic<uint64_t> memory_limit;
  std::atomic<uint32_t> share_milli;
  std::atomic<uint32_t> ceiling_milli;
  std::atomic<uint32_t> qos;       // model::Qos
  std::atomic<uint32_t> priority;  // model::Priority
  std::atomic<int64_t> in_flight_bound_ns;

  alignas(64) std::atomic<uint64_t> lease;
  std::atomic<int64_t>
      heartbeat_ns;  // last pass of the arbiter; meaningful while any slice of the card is active

  const std::atomic<uint32_t>* futex_word() const {
    return reinterpret_cast<const std::atomic<uint32_t>*>(&lease) + 1;  // little-endian upper half
  }
};
static_assert(sizeof(ControlPage) <= 4096);
inline constexpr size_t kControlBytes = 4096;

// A 16-byte tally updated by compare-and-swap; `tag` says who wrote last (writer << 48 | sequence),
// so that after a kill it can be decided whether that writer's update took place (see ledger.h).
struct alignas(16) Tally {
  uint64_t bytes;
  uint64_t tag;
};

// One allocation or release on its way. Written by its process only; replayed by the agent after
// its death.
struct Lane {
  std::atomic<uint64_t> state;  // sequence << 3 | phase (ledger.h)
  std::atomic<uint64_t> bytes;  // of the step
  std::atomic<uint64_t>
      total_applied;  // highest sequence of this lane seen in TenantPages::total by a later writer
  std::atomic<uint64_t> held_applied;  // likewise for Slot::held
};

// One process of the slice.
struct alignas(64) Slot {
  // What the arbiter reads.
  std::atomic<uint32_t> waiting;       // threads and gated commands that want a lease now
  std::atomic<uint32_t> in_flight;     // submissions not known to be complete
  std::atomic<int64_t> busy_ns;        // device time used so far, settled
  std::atomic<int64_t> busy_since_ns;  // start of the present busy stretch, 0 = idle
  std::atomic<int64_t> est_end_ns;     // when what is in flight is predicted to end
  std::atomic<int64_t> idle_since_ns;  // last time in_flight fell to 0
  std::atomic<int64_t> beat_ns;        // the process's pacer, every 10 ms while busy or waiting
  // What people read.
  std::atomic<uint64_t> launches;  // metered submissions
  std::atomic<uint64_t> copies;
  std::atomic<int64_t> waited_ns;     // callers blocked for a lease
  std::atomic<int64_t> throttled_ns;  // part of waited_ns that was the slice's own ceiling
  std::atomic<uint64_t> refused_allocations;
  // What the arbiter reads, too: when the card began the first work after the last wait for a
  // lease; told with that work's end.
  std::atomic<int64_t> started_ns;

  // Ledger.
  alignas(64) Tally held;  // bytes this process owns, settled
  std::atomic<uint64_t>
      reap_state;  // sequence << 3 | phase, the agent's own journal for the return
  std::atomic<uint64_t> reap_bytes;
  std::atomic<uint64_t> reap_applied;
  Lane lanes[kLanes];
};

struct TenantPages {
  uint32_t magic;
  uint32_t version;
  uint64_t slice_id;
  alignas(64)
      Tally total;  // bytes of all processes; never above ControlPage::memory_limit by our doing
  std::atomic<uint64_t> peak_bytes;
  // Whose slots[i] is: pid in the low half, generation above; 0 = free. Written by the agent at
  // attach and reap only. Side by side, so that looking for owners touches one page of memory and
  // the slots of nobody stay holes of the file.
  alignas(64) std::atomic<uint64_t> owners[kMaxSlots];
  alignas(64) Slot slots[kMaxSlots];
};
static_assert(offsetof(TenantPages, slots) + sizeof(Slot) <= 4096);  // one process: one page
inline constexpr size_t kTenantBytes = (sizeof(TenantPages) + 4095) / 4096 * 4096;

}  // namespace flexai::limit
