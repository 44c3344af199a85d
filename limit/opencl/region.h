// Region: the box of elements that a copy moves. Threads: any.
#pragma once

#include <cstddef>

namespace flexai::limit::opencl {

// Elements of a region of three sizes; what the driver will refuse (null) counts as nothing. Only a
// measure of cost: it may wrap.
inline size_t volume(const size_t* region) {
  return region == nullptr ? 0 : region[0] * region[1] * region[2];
}

}  // namespace flexai::limit::opencl
