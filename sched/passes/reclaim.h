// Reclaim: room for a queue that stays within its guarantee, or, for work that has waited for
// Policy::patience_ms, within what it deserves; from queues that keep what they deserve without the
// victims. A guarantee is a promise: what has only just started is not spared for it, and when
// nobody has more than he deserves, who has more than his guarantee gives. Looked at on every level
// of the tree (Queues::may_reclaim), so a department takes back from departments, a team from its
// neighbours. No loops: who lost something has his guarantee left, so it cannot take it back by
// that; and what it takes back as deserved, it takes from others than one within a guarantee.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

bool reclaim(Session* session, uint32_t job);

}  // namespace flexai::sched::passes
