// Victims: room for a workload that fits nowhere, taken from running work. The ladder, mildest
// first: shrink an elastic share, take the guarantee of work that can live on idle time, suspend,
// migrate, requeue, end. Every rung is tried on all nodes before the next one; the room is proven
// by placing the workload on the real cards, then every victim that turns out not to be needed is
// put back. What a victim costs is its interruption cost and what it holds.
//
// Used by preemption (priority inside a queue) and by reclaim (queues below their guarantee).
#pragma once

#include <functional>

#include "sched/session.h"

namespace flexai::sched::passes {

// Asked anew before each victim, when those before it have been stopped.
using MayStop = std::function<bool(uint32_t victim)>;

// Whether work that has not yet run for Policy::least_run_ms is spared.
enum class Fresh { kSpared, kTaken };

// True: the workload is placed, the actions on the victims and its own are in the plan. False:
// nothing has changed. `why` starts the reasons of the actions.
bool make_way(Session* session, uint32_t job, const MayStop& may_stop, const char* why,
              Fresh fresh = Fresh::kSpared);

}  // namespace flexai::sched::passes
