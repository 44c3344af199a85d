// Futex on a 32-bit word that may live in memory shared between processes (also in a read-only
// mapping).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace flexai::base {

// Sleeps while *word == expected, at most until `deadline` (monotonic; 0 = for ever). Returns false
// on time-out.
bool futex_wait(const std::atomic<uint32_t>* word, uint32_t expected, Nanos deadline);

struct FutexWord {
  const std::atomic<uint32_t>* word;
  uint32_t expected;
};
// Sleeps while each of two words has its value, at most until `deadline` (monotonic, not 0). Where
// the kernel has no such call (before Linux 5.16, or not allowed) it waits for the first alone.
void futex_wait_either(FutexWord first, FutexWord second, Nanos deadline);
void futex_wake(const std::atomic<uint32_t>* word, int count);

}  // namespace flexai::base
