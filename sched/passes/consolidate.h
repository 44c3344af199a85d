// Consolidate: room for a single pending member by few moves of running work (passes/defrag.h),
// within Policy::moves_most for the whole plan.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

bool consolidate(Session* session, uint32_t job);

}  // namespace flexai::sched::passes
