// Place: pending work in fair order. What finds no room may be made room for: by moves, by reclaim
// for a queue below its guarantee, by preemption of lower priorities in its queue. What still waits
// is a head: later work may be started past it (backfill), but only Policy::backfill_most times in
// its life; then nodes are held for it (sched/passes/hold.h). So nothing starves. Without the pass
// nothing is started past a head that wants the same cards.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

// `explain`: says why what waits does; else only names it.
void place(Session* session, bool explain);

}  // namespace flexai::sched::passes
