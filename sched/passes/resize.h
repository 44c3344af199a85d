// Resize: elastic shares follow the load that was really seen. Busy work grows to what it asked for
// when its cards have room; work that uses little of its share is shrunk, so that others find room.
#pragma once

#include "sched/session.h"

namespace flexai::sched::passes {

void resize(Session* session);
// Work that gave up its guarantee has it again when nobody who waits has taken the room. After
// place().
void give_back(Session* session);

}  // namespace flexai::sched::passes
