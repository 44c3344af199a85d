// Drain: lets what a worker's session has under way come to its end. Threads: any but the driver's
// and the worker's own; no call is inside meanwhile (hold.h).
#pragma once

#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

// Commands, bulk transfers and what follows them. kTimeout: not until `deadline`.
base::Status drain(Worker& worker, base::Nanos deadline);
base::Error still_busy();

}  // namespace flexai::remote::opencl
