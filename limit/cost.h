// CostTable: predicted device time of a submission, learnt from what equal ones took. Knows no API:
// a key is a hash of whatever determines the cost (function and launch shape, kind of copy and
// size, command buffer).
//
// Fixed size (4-way sets, the least certain entry of a set is replaced), so a program that makes
// new keys for ever does not grow. Threads: any; entries are atomics, a lost update costs one
// sample. Units: nanoseconds.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace flexai::limit {

using base::Nanos;

class CostTable {
 public:
  static constexpr Nanos kUnknown =
      200 * base::kMicrosecond;  // assumed until timed, which is then done at once

  struct Entry {
    std::atomic<uint64_t> key{0};
    std::atomic<Nanos> cost{kUnknown};  // what it takes on average
    // The least it plausibly takes. Work in flight is booked with this: were it booked with the
    // average, the card would run dry whenever a long kernel ends early.
    std::atomic<Nanos> least{kUnknown};
    std::atomic<uint32_t> samples{0};
    // Uses of this key differ greatly, so what else is known of them is part of the key.
    std::atomic<bool> uneven{false};
    std::atomic<uint32_t> swings{0};       // measurements far from what was expected
    std::atomic<Entry*> general{nullptr};  // of a refined key: the entry of the plain one ...
    std::atomic<uint64_t> general_key{0};  // ... while that holds this key
    // Set by the API's layer where the driver's own times are not to be trusted: then every use is
    // timed from outside, by the host's clock.
    std::atomic<bool> timed_by_host{false};
  };

  // The entry of `key` (0 is taken as 1), made when there is none. Never fails.
  Entry& find(uint64_t key);
  // The same with a detail (0 = none) that is made part of the key once uses without it turn out to
  // differ. Until it is measured, such an entry expects what the plain one does.
  Entry& find(uint64_t key, uint64_t detail);
  // Forgets `key`: what it named is gone and its address may be used again.
  void forget(uint64_t key);

  // Folds in one measurement. Quick to fall, slow to rise: a measurement can be too long (somebody
  // else was still on the card) but not too short.
  static void learn(Entry& entry, Nanos measured);

  static uint64_t mix(uint64_t a,
                      uint64_t b) {  // 64-bit finaliser of SplitMix64 (Steele et al., OOPSLA 2014)
    uint64_t x = a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2));
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  }

 private:
  static void learn_one(Entry& entry, Nanos measured);
  static constexpr size_t kSets = 512, kWays = 4;
  std::array<Entry, kSets * kWays> entries_;
};

}  // namespace flexai::limit
