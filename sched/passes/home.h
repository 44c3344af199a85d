// Home: work that uses a card across the network gets a local one when a hole has opened. The move
// re-points the session; the program keeps running.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

void pull_home(Session* session);

}  // namespace flexai::sched::passes
