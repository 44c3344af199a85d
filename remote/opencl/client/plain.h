// What a driver must accept, for want of memory excepted: such a call is told, every other one is
// asked, so that the errors are the driver's own. Pure but for the objects' states; any thread.
#pragma once

#include "remote/opencl/client/event.h"

namespace flexai::remote::opencl {

// A queue, and events of its context of which none has failed.
bool plain_waits(cl_command_queue queue, cl_uint count, const cl_event* list);
// A buffer of the queue's context with that range in it.
bool plain_range(cl_command_queue queue, cl_mem buffer, size_t offset, size_t size);

}  // namespace flexai::remote::opencl
