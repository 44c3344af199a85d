// Kernel arguments on the wire. Constants; any thread.
#pragma once

#include <CL/cl.h>

namespace flexai::remote::opencl {

// With the index: the value is the id of an object, not bytes. No program has so many arguments.
inline constexpr cl_uint kArgIsObject = 1u << 31;

}  // namespace flexai::remote::opencl
