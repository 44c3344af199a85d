#include "limit/cost.h"

#include <algorithm>

namespace flexai::limit {
namespace {

constexpr Nanos kSwing = 3;      // so many times more or less than expected
constexpr uint32_t kUneven = 3;  // so often

}  // namespace

CostTable::Entry& CostTable::find(uint64_t key) {
  if (key == 0) key = 1;
  Entry* set = &entries_[(key % kSets) * kWays];
  for (size_t i = 0; i < kWays; ++i)
    if (set[i].key.load(std::memory_order_relaxed) == key) return set[i];
  Entry* victim = set;
  for (size_t i = 0; i < kWays; ++i) {
    if (set[i].key.load(std::memory_order_relaxed) == 0) {
      victim = &set[i];
      break;
    }
    if (set[i].samples.load(std::memory_order_relaxed) <
        victim->samples.load(std::memory_order_relaxed))
      victim = &set[i];
  }
  victim->samples.store(0, std::memory_order_relaxed);
  victim->uneven.store(false, std::memory_order_relaxed);
  victim->swings.store(0, std::memory_order_relaxed);
  victim->general.store(nullptr, std::memory_order_relaxed);
  victim->timed_by_host.store(false, std::memory_order_relaxed);
  victim->cost.store(kUnknown, std::memory_order_relaxed);
  victim->least.store(kUnknown, std::memory_order_relaxed);
  victim->key.store(key, std::memory_order_relaxed);
  return *victim;
}

CostTable::Entry& CostTable::find(uint64_t key, uint64_t detail) {
  Entry& plain = find(key);
  if (detail == 0 || !plain.uneven.load(std::memory_order_relaxed)) return plain;
  Entry& refined = find(mix(key, detail));
  if (&refined == &plain) return plain;  // took its place
  if (refined.general.load(std::memory_order_relaxed) != &plain) {
    refined.general_key.store(plain.key.load(std::memory_order_relaxed), std::memory_order_relaxed);
    refined.general.store(&plain, std::memory_order_relaxed);
    refined.cost.store(plain.cost.load(std::memory_order_relaxed), std::memory_order_relaxed);
    refined.least.store(plain.least.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  return refined;
}

void CostTable::forget(uint64_t key) {
  Entry* set = &entries_[(key % kSets) * kWays];
  for (size_t i = 0; i < kWays; ++i)
    if (set[i].key.load(std::memory_order_relaxed) == key)
      set[i].samples.store(0, std::memory_order_relaxed);
}

void CostTable::learn(Entry& entry, Nanos measured) {
  if (measured < 0) return;
  Entry* general = entry.general.load(std::memory_order_relaxed);
  if (general != nullptr && general->key.load(std::memory_order_relaxed) ==
                                entry.general_key.load(std::memory_order_relaxed))
    learn_one(*general, measured);
  learn_one(entry, measured);
}

void CostTable::learn_one(Entry& entry, Nanos measured) {
  uint32_t n = entry.samples.load(std::memory_order_relaxed);
  Nanos cost = entry.cost.load(std::memory_order_relaxed);
  Nanos least = entry.least.load(std::memory_order_relaxed);
  bool first = n == 0;
  bool swing = !first && (measured > kSwing * cost || measured * kSwing < cost);
  if (swing && entry.swings.fetch_add(1, std::memory_order_relaxed) + 1 >= kUneven)
    entry.uneven.store(true, std::memory_order_relaxed);
  if (first) {
    cost = measured;
  } else if (measured < cost) {
    cost += (measured - cost) / 2;
  } else {
    cost += (measured - cost) / (n < 4 ? 2 : 8);
  }
  least = first || measured < least ? measured : least + (measured - least) / 16;
  least = std::max(least, cost / 2);  // one measurement far too short must not open the gates
  entry.cost.store(std::max<Nanos>(cost, 1), std::memory_order_relaxed);
  entry.least.store(std::max<Nanos>(least, 1), std::memory_order_relaxed);
  entry.samples.store(n < 1000000 ? n + 1 : n, std::memory_order_relaxed);
}

}  // namespace flexai::limit
