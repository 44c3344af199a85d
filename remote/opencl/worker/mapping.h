// Mapping: memory of the driver's that the client has mapped, and how the same is mapped again, of
// another object. Values; the functions from any thread, they wait for the driver.
#pragma once

#include <array>

#include "remote/opencl/landing.h"
#include "remote/opencl/worker/own_queues.h"

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
// While a session stands still: what the program wrote into a mapping comes when it unmaps it, so
// nothing is lost. REQUIRES: it is mapped.
base::Status unmap_now(const driver::opencl::Table& table, OwnQueues& queues, Mapping& mapping);
// As it was, if it is not; whether it is mapped now.
bool map_again(const driver::opencl::Table& table, OwnQueues& queues, Mapping& mapping);

}  // namespace flexai::remote::opencl
