#include "remote/opencl/client/plain.h"

#include "remote/opencl/calls.h"

namespace flexai::remote::opencl {

bool plain_waits(cl_command_queue command_queue, cl_uint count, const cl_event* list) {
  const Queue* queue = get(command_queue);
  if (queue == nullptr || (count == 0) != (list == nullptr)) return false;
  for (cl_uint i = 0; i < count; ++i) {
    const Event* event = get(list[i]);
    if (event == nullptr || event->context() != queue->context() || event->status.load() < 0)
      return false;
  }
  return true;
}

bool plain_range(cl_command_queue command_queue, cl_mem buffer, size_t offset, size_t size) {
  const Queue* queue = get(command_queue);
  const Mem* mem = get(buffer);
  return queue != nullptr && mem != nullptr && mem->type == CL_MEM_OBJECT_BUFFER &&
         mem->context() == queue->context() && size != 0 && offset <= mem->size &&
         size <= mem->size - offset;
}

bool plain_clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer,
                               size_t src_offset, size_t dst_offset, size_t size,
                               cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                               cl_event*) {
  // Parts of one buffer may overlap.
  return src_buffer != dst_buffer && plain_range(command_queue, src_buffer, src_offset, size) &&
         plain_range(command_queue, dst_buffer, dst_offset, size) &&
         get(src_buffer)->of() == nullptr && get(dst_buffer)->of() == nullptr &&
         plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
}

bool plain_clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer, const void* pattern,
                               size_t pattern_size, size_t offset, size_t size,
                               cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                               cl_event*) {
  const bool power = pattern_size != 0 && (pattern_size & (pattern_size - 1)) == 0;
  return power && pattern_size <= 128 && pattern != nullptr && offset % pattern_size == 0 &&
         size % pattern_size == 0 && plain_range(command_queue, buffer, offset, size) &&
         plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
}

bool plain_clEnqueueMarkerWithWaitList(cl_command_queue command_queue,
                                       cl_uint num_events_in_wait_list,
                                       const cl_event* event_wait_list, cl_event*) {
  return plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
}

bool plain_clEnqueueBarrierWithWaitList(cl_command_queue command_queue,
                                        cl_uint num_events_in_wait_list,
                                        const cl_event* event_wait_list, cl_event*) {
  return plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
}

}  // namespace flexai::remote::opencl
