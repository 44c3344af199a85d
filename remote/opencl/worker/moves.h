// The client's own calls (link_calls.h): bytes of buffers that go straight to and come straight
// from other hosts. Threads: the worker's one thread.
#pragma once

#include "remote/opencl/worker/incoming.h"

namespace flexai::remote::opencl {

// Decodes the call and has it done; false: there is no such entry, or no links.
bool serve_own(Incoming& call, uint16_t entry);

}  // namespace flexai::remote::opencl
