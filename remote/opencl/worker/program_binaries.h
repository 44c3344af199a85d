// Programs as binaries: taken from one that was built, made from them again, and whether the two
// are the same to whoever asks. Threads: any; no call about these programs meanwhile.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "driver/opencl/table.h"
#include "wire/codec.h"

namespace flexai::remote::opencl {

struct BuiltProgram {
  // One item for each device, in the program's order.
  std::vector<std::string> binaries;
  std::vector<std::string> logs;  // what the compiler said
  // Of the kernels that have any, by name: some drivers do not put them into binaries.
  std::map<std::string, std::string> attributes;
  bool operator==(const BuiltProgram&) const = default;
};

wire::Bytes encode(const BuiltProgram& built, wire::Writer& writer);
base::Result<BuiltProgram> decode_built(wire::Bytes bytes, size_t devices);

// Nothing when the driver gives no binaries.
std::optional<BuiltProgram> take_built(const driver::opencl::Table& table, cl_program program,
                                       const std::vector<cl_device_id>& devices);
// Made and built; null when the driver does not take the binaries.
cl_program make_built(const driver::opencl::Table& table, cl_context context,
                      const std::vector<cl_device_id>& devices, const BuiltProgram& built,
                      const char* options);
// What the compiler said for a device; empty also when the driver does not tell.
std::string build_log(const driver::opencl::Table& table, cl_program program, cl_device_id device);

// Whether all that can be asked of both and of their kernels has the same answers, but for what
// BuiltProgram holds and the source. Makes a kernel of each name for a moment.
bool same_program(const driver::opencl::Table& table, cl_program one, cl_program other,
                  const std::vector<cl_device_id>& devices);

}  // namespace flexai::remote::opencl
