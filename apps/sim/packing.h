// The packing experiment: one policy, one list, one seed; and many of them on all processors.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apps/sim/arrivals.h"
#include "apps/sim/packer.h"
#include "sched/policy.h"

namespace flexai::apps::sim {

inline constexpr size_t kPoints = 131;  // arrived demand in % of the cards, 0..130

struct PackingResult {
  std::string list, policy;
  uint64_t seed = 0;
  std::array<double, kPoints> allocated{};   // % of cards
  std::array<double, kPoints> fragmented{};  // % of cards, by the published measure
  double remote = 0;                         // % of cards used from another node, at the end
  size_t arrived = 0, placed = 0, moves = 0;
  struct Sizes {            // cards wanted by tasks with cards of one size
    int64_t arrived = 0;    // until the end
    int64_t unrefused = 0;  // before the first task that found no room
  };
  std::map<int, Sizes> sizes;  // by milli of a card
};

// Policies: the published six, and those of hi (apps/sim/hi_packer.h).
PackingResult run_packing(const Trace& trace, const std::string& list, const std::string& policy,
                          double part, uint64_t seed, const sched::Policy& constants = {});

}  // namespace flexai::apps::sim
