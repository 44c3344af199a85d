// What a mapping's flags say. Pure; any thread.
#pragma once

#include <CL/cl.h>

namespace flexai::remote::opencl {

// Whether the program sees what the object holds: not when it only promised to write all of it.
inline bool map_fills(cl_map_flags flags) {
  return (flags & (CL_MAP_WRITE_INVALIDATE_REGION | CL_MAP_READ)) != CL_MAP_WRITE_INVALIDATE_REGION;
}

}  // namespace flexai::remote::opencl
