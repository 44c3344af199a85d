// Guarantees that a cluster can keep: it may have shrunk since they were given. At each level, top
// first, queues that are guaranteed more than there is are cut in proportion. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "model/queue.h"
#include "sched/snapshot.h"

namespace flexai::sched {

// Milli-NCU of all cards.
int64_t whole_ncu(const Snapshot& snapshot);

// Of queues whose parents are there and form no circle. What they deserve stays as it is.
void keep_what_can_be_kept(int64_t whole_ncu, std::vector<model::Queue>* queues);

}  // namespace flexai::sched
