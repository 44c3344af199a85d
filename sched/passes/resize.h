// Resize: elastic shares follow the load that was really seen. Busy work grows to what it asked for
// when its cards have room; work that uses little of its share is shrunk, so that others find room.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

void resize(Session* session);

}  // namespace flexai::sched::passes
