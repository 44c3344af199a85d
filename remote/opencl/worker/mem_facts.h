// MemFacts: what a memory object was made from, as its driver tells, so that the same can be made
// again. Values; functions from any thread. Source: OpenCL 3.0 API, sections 5.2.1, 5.3.1, 5.5.5.
#pragma once

#include <vector>

#include "base/result.h"
#include "driver/opencl/table.h"

namespace flexai::remote::opencl {

struct MemFacts {
  cl_mem_object_type type = 0;
  cl_mem_flags flags = 0;
  cl_context context = nullptr;
  cl_mem parent = nullptr;  // what it is a part or another view of; then it has no bytes of its own
  size_t bytes = 0;         // of its contents, without gaps; 0 with a parent
  size_t size = 0, offset = 0;  // of a buffer
  cl_image_format format{};
  cl_image_desc desc{};  // its mem_object is null
  std::vector<cl_mem_properties> properties;
};

// kUnsupported, in words, for what cannot be made again (pipes).
base::Result<MemFacts> facts_of(const driver::opencl::Table& table, cl_mem object);

// `parent`: what takes the place of facts.parent. `contents`: facts.bytes of them, copied before
// this returns, or null: then they are unset. Null with the driver's word in `code`.
cl_mem make_again(const driver::opencl::Table& table, const MemFacts& facts, cl_mem parent,
                  const void* contents, cl_int& code);

}  // namespace flexai::remote::opencl
