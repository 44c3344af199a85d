// Reclaim: room for a queue that stays within its guarantee, or, for work that has waited for
// Policy::patience_ms, within what it deserves; from queues that keep what they deserve without the
// victim. Looked at on every level of the tree (Queues::may_reclaim), so a department takes back
// from departments, a team from its neighbours. Whoever lost something has what he deserves left
// and cannot take it back: no loops.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

bool reclaim(Session* session, uint32_t job);

}  // namespace flexai::sched::passes
