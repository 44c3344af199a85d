// Gang: the members of a workload are placed in one transaction: all or none. When a member finds
// no room the earlier ones are taken back and chosen again another way: in another zone for members
// that must be together, and all local instead of the cheapest mix. One member is a gang of one.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

// The room is taken and the members are listed when true; nothing has changed when false.
bool place_gang(Session* session, uint32_t job);
// How many members would fit now, for explanations. Leaves nothing behind.
uint32_t members_that_fit(Session* session, uint32_t job);

}  // namespace flexai::sched::passes
