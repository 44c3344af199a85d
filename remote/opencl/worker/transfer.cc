// Reads and writes. Never blocking here: a blocking one is its client's wait for the event. What is
// read or written lies without gaps in memory of the worker; the client knows the program's
// pitches.
#include "remote/opencl/image_format.h"
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/flow.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {
namespace {

// Bytes of a box; more than any object has when there is no such number, so that no driver that
// counts with fewer bits is asked to fill what was made too small.
size_t volume(size_t first, const Values<size_t>& region) {
  if (!region.there) return 0;
  for (size_t i = 0; i < 3; ++i) {
    if (region.values[i] == 0) return 0;
    if (__builtin_mul_overflow(first, region.values[i], &first)) return SIZE_MAX;
  }
  return first;
}

size_t element_of(const Table& table, cl_mem image) {
  size_t bytes = 0;
  table.clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof bytes, &bytes, nullptr);
  return bytes;
}

// Larger than its object, nothing is read or written: the driver must not see our smaller memory.
bool beyond(const Table& table, cl_mem object, size_t bytes) {
  size_t size = 0;
  return table.clGetMemObjectInfo(object, CL_MEM_SIZE, sizeof size, &size, nullptr) == CL_SUCCESS &&
         bytes > size;
}

// `enqueue` reads into the memory it is given.
template <typename Enqueue>
cl_int read(Incoming& call, cl_mem from, size_t bytes, ObjectId event, Enqueue enqueue) {
  if (event == 0) return CL_INVALID_VALUE;  // no client of ours
  if (beyond(call.table(), from, bytes)) return CL_INVALID_VALUE;
  const Staging into = Staging::make(bytes);
  if (into.data() == nullptr) return CL_OUT_OF_HOST_MEMORY;
  cl_event made = nullptr;
  const cl_int code = enqueue(into.data(), &made);
  if (code != CL_SUCCESS) return code;
  call.put_last(made);
  Worker& worker = call.worker();
  worker.keep_event(event, made, [&worker, event, into](cl_event ended, cl_int status) {
    worker.send_read(event, into, status, worker.times_of(ended, ended));
  });
  return code;
}

// `enqueue` writes from the memory it is given, after what it is to wait for; among that, when the
// bytes are still on their way, our gate.
template <typename Enqueue>
cl_int write(Incoming& call, cl_command_queue queue, cl_mem to, size_t bytes, const Data& data,
             const Waits& given, ObjectId event, Enqueue enqueue) {
  if (data.there && data.size < bytes) return CL_INVALID_VALUE;
  if (beyond(call.table(), to, bytes)) return CL_INVALID_VALUE;
  cl_event made = nullptr;
  if (!data.there) return enqueue(nullptr, given, &made);  // the driver refuses that
  Worker& worker = call.worker();
  cl_int code = CL_SUCCESS;
  std::shared_ptr<Gate> gate;
  if (data.bulk != 0) {
    gate = Gate::make(worker, queue, code);
    if (gate == nullptr) return code;
  }
  const Staging from = gate == nullptr ? worker.take(data) : Staging::make(data.size);
  if (from.data() == nullptr) return CL_OUT_OF_HOST_MEMORY;
  const auto all = gate == nullptr ? std::vector<cl_event>() : gate->with(given);
  const bool gated = !all.empty();
  code = enqueue(from.data(), gated ? Waits{static_cast<cl_uint>(all.size()), all.data()} : given,
                 &made);
  if (code != CL_SUCCESS) return code;
  call.put_last(made);
  if (gated) flow_in(worker, data.bulk, from.span(), std::move(gate), {});
  if (event != 0) {
    worker.keep_event(event, made, [&worker, event, from](cl_event ended, cl_int status) {
      worker.completed(event, status, worker.times_of(ended, ended));
    });
  } else {
    worker.watches().add_apart(made, [from] {});
    call.table().clReleaseEvent(made);
  }
  return code;
}

}  // namespace

cl_int handle_clEnqueueReadBuffer(Incoming& call, cl_command_queue queue, cl_mem buffer, cl_bool,
                                  size_t offset, size_t size, cl_uint waits,
                                  const Values<cl_event>& list, ObjectId event) {
  if (event != 0 && size >= kBulkBytes)
    return flow_read(call, {queue, buffer, offset, size}, waits, list, event);
  return read(call, buffer, size, event, [&](void* into, cl_event* made) {
    return call.table().clEnqueueReadBuffer(queue, buffer, CL_FALSE, offset, size, into, waits,
                                            list.data(), made);
  });
}

cl_int handle_clEnqueueWriteBuffer(Incoming& call, cl_command_queue queue, cl_mem buffer, cl_bool,
                                   size_t offset, size_t size, const Data& ptr, cl_uint waits,
                                   const Values<cl_event>& list, ObjectId event) {
  if (event != 0 && ptr.bulk != 0 && ptr.size == size)
    return flow_write(call, {queue, buffer, offset, size}, ptr.bulk, waits, list, event);
  return write(call, queue, buffer, size, ptr, {waits, list.data()}, event,
               [&](const void* from, Waits all, cl_event* made) {
                 return call.table().clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset, size,
                                                          from, all.count, all.list, made);
               });
}

cl_int handle_clEnqueueReadBufferRect(Incoming& call, cl_command_queue queue, cl_mem buffer,
                                      cl_bool, const Values<size_t>& buffer_origin,
                                      const Values<size_t>&, const Values<size_t>& region,
                                      size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t,
                                      size_t, cl_uint waits, const Values<cl_event>& list,
                                      ObjectId event) {
  const size_t zero[3] = {};
  return read(call, buffer, volume(1, region), event, [&](void* into, cl_event* made) {
    return call.table().clEnqueueReadBufferRect(queue, buffer, CL_FALSE, buffer_origin.data(), zero,
                                                region.data(), buffer_row_pitch, buffer_slice_pitch,
                                                0, 0, into, waits, list.data(), made);
  });
}

cl_int handle_clEnqueueWriteBufferRect(Incoming& call, cl_command_queue queue, cl_mem buffer,
                                       cl_bool, const Values<size_t>& buffer_origin,
                                       const Values<size_t>&, const Values<size_t>& region,
                                       size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t,
                                       size_t, const Data& ptr, cl_uint waits,
                                       const Values<cl_event>& list, ObjectId event) {
  const size_t zero[3] = {};
  return write(call, queue, buffer, volume(1, region), ptr, {waits, list.data()}, event,
               [&](const void* from, Waits all, cl_event* made) {
                 return call.table().clEnqueueWriteBufferRect(
                     queue, buffer, CL_FALSE, buffer_origin.data(), zero, region.data(),
                     buffer_row_pitch, buffer_slice_pitch, 0, 0, from, all.count, all.list, made);
               });
}

cl_int handle_clEnqueueReadImage(Incoming& call, cl_command_queue queue, cl_mem image, cl_bool,
                                 const Values<size_t>& origin, const Values<size_t>& region, size_t,
                                 size_t, cl_uint waits, const Values<cl_event>& list,
                                 ObjectId event) {
  const size_t bytes = volume(element_of(call.table(), image), region);
  return read(call, image, bytes, event, [&](void* into, cl_event* made) {
    return call.table().clEnqueueReadImage(queue, image, CL_FALSE, origin.data(), region.data(), 0,
                                           0, into, waits, list.data(), made);
  });
}

cl_int handle_clEnqueueWriteImage(Incoming& call, cl_command_queue queue, cl_mem image, cl_bool,
                                  const Values<size_t>& origin, const Values<size_t>& region,
                                  size_t, size_t, const Data& ptr, cl_uint waits,
                                  const Values<cl_event>& list, ObjectId event) {
  const size_t bytes = volume(element_of(call.table(), image), region);
  return write(call, queue, image, bytes, ptr, {waits, list.data()}, event,
               [&](const void* from, Waits all, cl_event* made) {
                 return call.table().clEnqueueWriteImage(queue, image, CL_FALSE, origin.data(),
                                                         region.data(), 0, 0, from, all.count,
                                                         all.list, made);
               });
}

}  // namespace flexai::remote::opencl
