// The driver's calls that may take seconds (builds): while the driver works, further calls of the
// session are handled, or the session is paused. Threads: those that handle calls.
#pragma once

#include "driver/opencl/table.h"
#include "remote/opencl/worker/hold.h"

namespace flexai::remote::opencl {

// `driver` with these calls stepping aside for others and out of `hold`. Both are kept: the last
// ones are those of the process.
driver::opencl::Table with_long_calls(const driver::opencl::Table& driver, Hold& hold);

}  // namespace flexai::remote::opencl
