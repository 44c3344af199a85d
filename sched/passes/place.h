// Place: pending work in fair order. What finds no room may be made room for: by moves, by reclaim
// for a queue below its guarantee, by preemption of lower priorities in its queue. What still waits
// is a head: later work may be started past it (backfill), but only Policy::backfill_most times in
// its life; then whatever could use the same cards waits for it. So nothing starves.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

// `explain`: says why what waits does; else only names it.
void place(Session* session, bool explain);

}  // namespace flexai::sched::passes
