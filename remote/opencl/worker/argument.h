// Argument: what a kernel's argument was set to last. Drivers do not tell it. Values.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "remote/handle_map.h"

namespace flexai::remote::opencl {

struct Argument {
  Kind kind = 0;  // of the object it names; 0: none, then it is bytes
  ObjectId object = 0;
  size_t size = 0;
  bool there = false;  // no bytes: memory of the work-group, of that size
  std::vector<std::byte> bytes;
  bool operator==(const Argument&) const = default;
};

using KernelArguments = std::map<uint32_t, Argument>;  // by index

}  // namespace flexai::remote::opencl
