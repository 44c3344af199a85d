// Mapping: memory of the driver's that the client has mapped, and how the same is mapped again, of
// another object. Values; map_now() from any thread, it waits for the driver.
#pragma once

#include <array>

#include "driver/opencl/table.h"
#include "remote/opencl/landing.h"

namespace flexai::remote::opencl {

// What of an object is mapped, and for what.
struct MapPart {
  bool image = false;
  cl_map_flags flags = 0;
  size_t offset = 0, size = 0;               // of a buffer
  std::array<size_t, 3> origin{}, region{};  // of an image
  bool wants_row = false, wants_slice = false;
  bool operator==(const MapPart&) const = default;
};

struct Mapping {
  Landing place;  // the driver's memory
  cl_mem object = nullptr;
  MapPart part;
};

// Without memory when that failed.
Landing map_now(const driver::opencl::Table& table, cl_command_queue queue, cl_mem object,
                const MapPart& part);

}  // namespace flexai::remote::opencl
