// Moves of bytes of buffers that go straight from host to host, not through the program's: the
// target is told of a ticket, the source sends the bytes with it. When they do not arrive that way
// they come here after all and are written from here; so a move ends in the right bytes or in an
// error, and which of the two is known here alone.
// Threads: as moves.h.
#pragma once

#include <optional>

#include "remote/opencl/wide/moves.h"

namespace flexai::remote::opencl::wide {

// Begins it; the gate is an event of the target's context that ends when the bytes are there. None:
// it cannot go this way. REQUIRES: the mutex.
std::optional<cl_event> go_direct(WideMem* root, const Ranges::Move& move, Place to, cl_mem real);

}  // namespace flexai::remote::opencl::wide
