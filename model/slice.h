// Slice: a share of one card: compute, memory, QoS, priority, owner. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::model {

enum class Qos {
  kFixed,       // a cap: never more than its share
  kElastic,     // a guarantee plus whatever is idle, up to the ceiling
  kBestEffort,  // only idle time; guarantees nothing, may be overbooked
};
// Where the bytes of its memory are.
enum class Residency { kCard, kMemory, kDisk };
enum class Priority { kLow = 0, kNormal = 1, kHigh = 2 };

const char* qos_name(Qos qos);                 // "fixed", "elastic", "besteffort"
const char* priority_name(Priority priority);  // "low", "normal", "high"
base::Result<Qos> parse_qos(std::string_view text);
base::Result<Priority> parse_priority(std::string_view text);
const char* residency_name(Residency residency);  // "card", "memory", "disk"
base::Result<Residency> parse_residency(std::string_view text);

struct Slice {
  std::string name;            // [a-z0-9][a-z0-9._-]{0,62}, unique on the host
  std::string card;            // Device::id
  uint32_t compute_milli = 0;  // guarantee in thousandths of the card's time; 0 only for besteffort
  uint32_t ceiling_milli = 1000;  // most it may take; equals compute_milli for fixed
  uint64_t memory_bytes = 0;      // hard limit
  Qos qos = Qos::kElastic;
  Priority priority = Priority::kNormal;
  uint32_t owner_uid = 0;
  bool ephemeral = false;  // made by `flexai run`, goes with its last process
  bool paused = false;     // keeps its memory and its promise, and has no time of the card
  // Swapped out: its memory is not promised to it now, and it has no time of the card either.
  Residency residency = Residency::kCard;
  bool still() const { return paused || residency != Residency::kCard; }

  bool operator==(const Slice&) const = default;
};

// Checks what can be checked without knowing the card: name, ranges, qos against ceiling.
base::Status validate(const Slice& slice);

}  // namespace flexai::model
