// The packing experiment's order of nodes and tasks, as published with FGD (USENIX ATC 2023):
// shuffled by a seed, tasks drawn again or deleted until the demand is a given part of the cards.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/sim/trace.h"
#include "sched/fragment.h"

namespace flexai::apps::sim {

struct Arrivals {
  std::vector<uint32_t> nodes;  // indices of Trace::nodes by rank; rank decides ties
  std::vector<uint32_t> tasks;  // indices of Trace::tasks in order of arrival
};

// `part`: demand for cards over cards, 1.3 in the published experiment.
Arrivals arrange(const Trace& trace, double part, uint64_t seed);
// The target mix of the published FGD policy: the most frequent demands of the whole list that
// make up 95 % of its tasks. Policies of ours must not use it: it knows the future.
std::vector<sched::TypicalDemand> published_mix(const Trace& trace);

}  // namespace flexai::apps::sim
