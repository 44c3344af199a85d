// Mapped memory: the driver's mapping stays here, its bytes travel to the client's copy of it and,
// when it was mapped for writing, back.
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {
namespace {

// The mapping's bytes without gaps.
Staging gather(const Mapping& mapping) {
  Staging staging = Staging::make(mapping.size());
  std::byte* to = staging.data();
  for (size_t slice = 0; to != nullptr && slice < mapping.slices; ++slice)
    for (size_t row = 0; row < mapping.rows; ++row, to += mapping.row)
      std::memcpy(to, mapping.at + slice * mapping.slice_pitch + row * mapping.row_pitch,
                  mapping.row);
  return staging;
}

void scatter(const Mapping& mapping, const std::byte* from) {
  for (size_t slice = 0; slice < mapping.slices; ++slice)
    for (size_t row = 0; row < mapping.rows; ++row, from += mapping.row)
      std::memcpy(mapping.at + slice * mapping.slice_pitch + row * mapping.row_pitch, from,
                  mapping.row);
}

// `id` names the mapping from now on.
cl_int keep(Incoming& call, const Mapping& mapping, cl_map_flags flags, cl_event made,
            ObjectId event, ObjectId id) {
  Worker& worker = call.worker();
  if (!worker.mappings().emplace(id, mapping).second) {
    call.table().clReleaseEvent(made);
    return CL_INVALID_VALUE;  // no client of ours
  }
  const bool fresh = (flags & CL_MAP_WRITE_INVALIDATE_REGION) != 0;
  worker.keep_event(event, made, [&worker, mapping, event, fresh](cl_int status) {
    if (fresh || status < 0) return worker.completed(event, status);
    const Staging bytes = gather(mapping);
    worker.send_read(event, bytes, bytes.data() == nullptr ? CL_OUT_OF_HOST_MEMORY : status);
  });
  return CL_SUCCESS;
}

}  // namespace

cl_int handle_clEnqueueMapBuffer(Incoming& call, cl_command_queue queue, cl_mem buffer, cl_bool,
                                 cl_map_flags flags, size_t offset, size_t size, cl_uint waits,
                                 const Values<cl_event>& list, ObjectId event, ObjectId result) {
  if (event == 0 || result == 0) return CL_INVALID_VALUE;
  cl_int code = CL_SUCCESS;
  cl_event made = nullptr;
  void* at = call.table().clEnqueueMapBuffer(queue, buffer, CL_FALSE, flags, offset, size, waits,
                                             list.data(), &made, &code);
  if (code != CL_SUCCESS) return code;
  if (at == nullptr) return CL_MAP_FAILURE;
  Mapping mapping;
  mapping.at = static_cast<std::byte*>(at);
  mapping.row = size;
  mapping.object = buffer;
  return keep(call, mapping, flags, made, event, result);
}

cl_int handle_clEnqueueMapImage(Incoming& call, cl_command_queue queue, cl_mem image, cl_bool,
                                cl_map_flags flags, const Values<size_t>& origin,
                                const Values<size_t>& region, Out<size_t>& row_pitch,
                                Out<size_t>& slice_pitch, cl_uint waits,
                                const Values<cl_event>& list, ObjectId event, ObjectId result) {
  if (event == 0 || result == 0) return CL_INVALID_VALUE;
  size_t row = 0, slice = 0, element = 0;
  cl_int code = CL_SUCCESS;
  cl_event made = nullptr;
  void* at = call.table().clEnqueueMapImage(
      queue, image, CL_FALSE, flags, origin.data(), region.data(), row_pitch.there ? &row : nullptr,
      slice_pitch.there ? &slice : nullptr, waits, list.data(), &made, &code);
  if (code != CL_SUCCESS) return code;
  if (at == nullptr) return CL_MAP_FAILURE;
  call.table().clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof element, &element, nullptr);
  Mapping mapping;
  mapping.at = static_cast<std::byte*>(at);
  mapping.row = region.values[0] * element;
  mapping.rows = region.values[1];
  mapping.slices = region.values[2];
  cl_mem_object_type type = 0;
  call.table().clGetMemObjectInfo(image, CL_MEM_TYPE, sizeof type, &type, nullptr);
  // The rows of an array of rows are its slices.
  mapping.row_pitch = type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? slice : row;
  mapping.slice_pitch = slice;
  mapping.object = image;
  return keep(call, mapping, flags, made, event, result);
}

cl_int handle_clEnqueueUnmapMemObject(Incoming& call, cl_command_queue queue, cl_mem memobj,
                                      ObjectId mapped_ptr, const Data& bytes, cl_uint waits,
                                      const Values<cl_event>& list, ObjectId event) {
  Worker& worker = call.worker();
  auto found = worker.mappings().find(mapped_ptr);
  std::byte* at = nullptr;  // of no mapping: the driver has a word for that
  if (found != worker.mappings().end()) {
    if (bytes.there) {
      if (bytes.size != found->second.size() || memobj != found->second.object)
        return CL_INVALID_VALUE;
      const Staging from = worker.take(bytes);
      if (from.data() == nullptr) return CL_OUT_OF_HOST_MEMORY;
      scatter(found->second, from.data());
    }
    at = found->second.at;
  }
  MadeEvent made;
  const cl_int code = call.table().clEnqueueUnmapMemObject(queue, memobj, at, waits, list.data(),
                                                           made.place(event));
  if (code != CL_SUCCESS) return code;
  if (found != worker.mappings().end()) worker.mappings().erase(found);
  call.keep_event(event, made.event, code);
  return code;
}

}  // namespace flexai::remote::opencl
