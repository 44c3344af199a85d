// Reclaim: room for a queue that stays within its guarantee, from queues that keep what they
// deserve without the victim. A queue at its guarantee never loses anything.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

bool reclaim(Session* session, uint32_t job);

}  // namespace flexai::sched::passes
