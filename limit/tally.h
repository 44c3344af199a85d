// The detectable compare-and-swap under the ledger: changing a Tally, and finding out afterwards
// whether a given change took place, even when its writer is dead.
//
// A change is named by its tag: writer (16 bits: slot and lane, or the agent for that slot) and
// sequence (48 bits, wraps; each writer counts its own). A change happened exactly if the Tally
// still bears its tag or the writer's applied word has reached its sequence. Every writer records
// the tag it is about to overwrite in that applied word BEFORE its own compare-and-swap; applied
// words only go forward, so a helper that stalls for hours does no harm. Source of the algorithm:
// ledger.h.
#pragma once

#include <cstdint>

#include "limit/layout.h"

namespace flexai::limit::tally {

inline constexpr uint32_t kWritersPerSlot = kLanes + 1;  // the last one is the agent, reaping
inline constexpr uint32_t kReaper = kLanes;
inline constexpr uint64_t kSequenceMask = (uint64_t{1} << 48) - 1;

inline uint64_t tag(uint32_t slot, uint32_t writer, uint64_t sequence) {
  return uint64_t{slot * kWritersPerSlot + writer} << 48 | (sequence & kSequenceMask);
}
inline uint64_t next(uint64_t sequence) { return (sequence + 1) & kSequenceMask; }
// Whether `a` comes after `b`, counting round the 48-bit clock.
inline bool after(uint64_t a, uint64_t b) {
  uint64_t distance = (a - b) & kSequenceMask;
  return distance != 0 && distance < (uint64_t{1} << 47);
}

// The two halves may come from different moments; a compare-and-swap against such a mix fails,
// because a tag is never used for two values.
inline Tally load(const Tally* tally) {
  Tally value;
  value.tag = __atomic_load_n(&tally->tag, __ATOMIC_ACQUIRE);
  value.bytes = __atomic_load_n(&tally->bytes, __ATOMIC_ACQUIRE);
  return value;
}

// One 16-byte instruction (pair), never a lock: the memory is shared between processes and the
// caller may be killed at any time. A full barrier.
#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer's own 16-byte operation takes a lock of the process: others would not see it.
__attribute__((no_sanitize_thread)) inline bool swap(Tally*, const Tally&, const Tally&);
#endif
inline bool swap(Tally* tally, const Tally& expected, const Tally& desired) {
#if defined(__x86_64__)
  __extension__ typedef unsigned __int128 Wide;
  Wide from = static_cast<Wide>(expected.tag) << 64 | expected.bytes;
  Wide to = static_cast<Wide>(desired.tag) << 64 | desired.bytes;
  return __sync_bool_compare_and_swap(reinterpret_cast<Wide*>(tally), from, to);
#elif defined(__aarch64__)
  uint64_t bytes = 0;
  uint64_t tag = 0;
  uint32_t failed = 0;
  do {
    asm volatile("ldaxp %0, %1, %2" : "=&r"(bytes), "=&r"(tag) : "Q"(*tally) : "memory");
    if (bytes != expected.bytes || tag != expected.tag) {
      asm volatile("clrex" ::: "memory");
      return false;
    }
    asm volatile("stlxp %w0, %2, %3, %1"
                 : "=&r"(failed), "=Q"(*tally)
                 : "r"(desired.bytes), "r"(desired.tag)
                 : "memory");
  } while (failed != 0);
  asm volatile("dmb ish" ::: "memory");
  return true;
#else
#error "limit/tally.h needs a 16-byte compare-and-swap for this processor"
#endif
}

// Moves an applied word forward to `sequence`, never back. Honest words only go forward, so a try
// fails a few times at most; the bound is for a tenant that writes them to and fro.
inline void advance(std::atomic<uint64_t>* applied, uint64_t sequence) {
  uint64_t now = applied->load(std::memory_order_acquire);
  for (int tries = 0; tries < 100000 && after(sequence, now & kSequenceMask); ++tries)
    if (applied->compare_exchange_weak(now, sequence, std::memory_order_acq_rel)) return;
}

// Whether the change `tag` of `tally` took place. The Tally is read first: whoever replaced the tag
// had by then recorded it.
inline bool happened(const Tally* tally, uint64_t tag, const std::atomic<uint64_t>& applied) {
  if (load(tally).tag == tag) return true;
  uint64_t reached = applied.load(std::memory_order_acquire) & kSequenceMask;
  return !after(tag & kSequenceMask, reached);
}

}  // namespace flexai::limit::tally
