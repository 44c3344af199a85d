// Preempt: room for a workload from lower priorities of its own queue.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

bool preempt(Session* session, uint32_t job);

}  // namespace flexai::sched::passes
