#include "remote/opencl/worker/contents.h"

#include <algorithm>

#include "remote/handover.h"
#include "remote/opencl/image_format.h"
#include "remote/opencl/worker/staging.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using driver::opencl::Table;

namespace {

constexpr size_t kHiddenPart = size_t{16} << 20;  // of a buffer that the host may not read
constexpr cl_mem_flags kNotRead = CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS;
constexpr cl_mem_flags kNotWritten = CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;

// The host may not read it; a copy of it the host may.
base::Status read_hidden(const Table& table, cl_command_queue queue, cl_mem object,
                         const MemFacts& facts, std::byte* to) {
  const bool image = facts.type != CL_MEM_OBJECT_BUFFER;
  const size_t part = image ? facts.bytes : std::min(facts.bytes, kHiddenPart);
  cl_int code = CL_SUCCESS;
  cl_mem copy = table.clCreateBuffer(facts.context, CL_MEM_READ_WRITE, part, nullptr, &code);
  if (code != CL_SUCCESS) return driver_failed("making room for a copy", code);
  for (size_t at = 0; at < facts.bytes && code == CL_SUCCESS; at += part) {
    const size_t size = std::min(part, facts.bytes - at);
    if (image) {
      const Extent extent = extent_of(facts.desc);
      const size_t origin[3] = {}, region[3] = {extent.width, extent.height, extent.depth};
      code = table.clEnqueueCopyImageToBuffer(queue, object, copy, origin, region, 0, 0, nullptr,
                                              nullptr);
    } else {
      code = table.clEnqueueCopyBuffer(queue, object, copy, at, 0, size, 0, nullptr, nullptr);
    }
    if (code == CL_SUCCESS)
      code = table.clEnqueueReadBuffer(queue, copy, CL_TRUE, 0, size, to + at, 0, nullptr, nullptr);
  }
  table.clReleaseMemObject(copy);
  if (code != CL_SUCCESS) return driver_failed("copying memory of the card", code);
  return {};
}

// The whole buffer in reach of the host; null when the driver does not.
std::byte* map_whole(const Table& table, cl_command_queue queue, cl_mem object, size_t bytes,
                     cl_map_flags flags) {
  cl_int code = CL_SUCCESS;
  void* at =
      table.clEnqueueMapBuffer(queue, object, CL_TRUE, flags, 0, bytes, 0, nullptr, nullptr, &code);
  return code == CL_SUCCESS ? static_cast<std::byte*>(at) : nullptr;
}

base::Status unmap(const Table& table, cl_command_queue queue, cl_mem object, std::byte* at) {
  cl_int code = table.clEnqueueUnmapMemObject(queue, object, at, 0, nullptr, nullptr);
  if (code == CL_SUCCESS) code = table.clFinish(queue);
  if (code != CL_SUCCESS) return driver_failed("unmapping memory", code);
  return {};
}

}  // namespace

base::Error driver_failed(const std::string& what, cl_int code) {
  const bool full = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
                    code == CL_OUT_OF_HOST_MEMORY;
  return fail(full ? Code::kExhausted : Code::kInternal,
              what + ": the driver says " + std::to_string(code));
}

base::Status read_contents(const Table& table, cl_command_queue queue, cl_mem object,
                           const MemFacts& facts, std::byte* to) {
  cl_int code = CL_SUCCESS;
  if (facts.type == CL_MEM_OBJECT_BUFFER) {
    code =
        table.clEnqueueReadBuffer(queue, object, CL_TRUE, 0, facts.bytes, to, 0, nullptr, nullptr);
  } else {
    const Extent extent = extent_of(facts.desc);
    const size_t origin[3] = {}, region[3] = {extent.width, extent.height, extent.depth};
    code = table.clEnqueueReadImage(queue, object, CL_TRUE, origin, region, 0, 0, to, 0, nullptr,
                                    nullptr);
  }
  if (code == CL_INVALID_OPERATION) return read_hidden(table, queue, object, facts, to);
  if (code != CL_SUCCESS) return driver_failed("reading memory of the card", code);
  return {};
}

base::Status send_object(const Table& table, cl_command_queue queue, cl_mem object,
                         const MemFacts& facts, wire::Transport& to) {
  if (facts.bytes == 0) return {};
  if (facts.type == CL_MEM_OBJECT_BUFFER && (facts.flags & kNotRead) == 0)
    if (std::byte* at = map_whole(table, queue, object, facts.bytes, CL_MAP_READ); at != nullptr) {
      const base::Status sent = send_contents(to, {at, facts.bytes});
      FLEXAI_TRY(unmap(table, queue, object, at));
      return sent;
    }
  const Staging bytes = Staging::make(facts.bytes);
  if (bytes.data() == nullptr)
    return fail(Code::kExhausted, "no memory for the contents of an object");
  FLEXAI_TRY(read_contents(table, queue, object, facts, static_cast<std::byte*>(bytes.data())));
  return send_contents(to, bytes.span());
}

base::Result<cl_mem> receive_object(const Table& table, cl_command_queue queue,
                                    const MemFacts& facts, wire::Transport& from) {
  cl_int code = CL_SUCCESS;
  const auto refused = [&] {
    return driver_failed("making " + std::to_string(facts.bytes) + " bytes on the card", code);
  };
  if (facts.type == CL_MEM_OBJECT_BUFFER && (facts.flags & kNotWritten) == 0) {
    cl_mem made = make_again(table, facts, nullptr, nullptr, code);
    if (made == nullptr) return refused();
    std::byte* at = map_whole(table, queue, made, facts.bytes, CL_MAP_WRITE_INVALIDATE_REGION);
    if (at != nullptr) {
      FLEXAI_TRY(receive_contents(from, {at, facts.bytes}));
      FLEXAI_TRY(unmap(table, queue, made, at));
      return made;
    }
    table.clReleaseMemObject(made);
  }
  const Staging bytes = Staging::make(facts.bytes);
  if (bytes.data() == nullptr)
    return fail(Code::kExhausted, "no memory for the contents of an object");
  FLEXAI_TRY(receive_contents(from, bytes.span()));
  cl_mem made = make_again(table, facts, nullptr, bytes.data(), code);
  if (made == nullptr) return refused();
  return made;
}

}  // namespace flexai::remote::opencl
