// Copies and fills on the card.
#include "limit/opencl/entries.h"
#include "limit/opencl/region.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

}  // namespace

cl_int CL_API_CALL limit_clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer,
                                             cl_mem dst_buffer, size_t src_offset,
                                             size_t dst_offset, size_t size,
                                             cl_uint num_events_in_wait_list,
                                             const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueCopyBuffer, size), false,
                num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCopyBuffer(command_queue, src_buffer, dst_buffer,
                                                    src_offset, dst_offset, size, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueCopyBufferRect(cl_command_queue command_queue, cl_mem src_buffer,
                                                 cl_mem dst_buffer, const size_t* src_origin,
                                                 const size_t* dst_origin, const size_t* region,
                                                 size_t src_row_pitch, size_t src_slice_pitch,
                                                 size_t dst_row_pitch, size_t dst_slice_pitch,
                                                 cl_uint num_events_in_wait_list,
                                                 const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueCopyBufferRect, volume(region)), false,
                num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCopyBufferRect(
                      command_queue, src_buffer, dst_buffer, src_origin, dst_origin, region,
                      src_row_pitch, src_slice_pitch, dst_row_pitch, dst_slice_pitch, n, waits,
                      made);
                });
}

cl_int CL_API_CALL limit_clEnqueueCopyImage(cl_command_queue command_queue, cl_mem src_image,
                                            cl_mem dst_image, const size_t* src_origin,
                                            const size_t* dst_origin, const size_t* region,
                                            cl_uint num_events_in_wait_list,
                                            const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueCopyImage, volume(region)), false,
                num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCopyImage(command_queue, src_image, dst_image, src_origin,
                                                   dst_origin, region, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueCopyImageToBuffer(
    cl_command_queue command_queue, cl_mem src_image, cl_mem dst_buffer, const size_t* src_origin,
    const size_t* region, size_t dst_offset, cl_uint num_events_in_wait_list,
    const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueCopyImageToBuffer, volume(region)),
                false, num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCopyImageToBuffer(command_queue, src_image, dst_buffer,
                                                           src_origin, region, dst_offset, n, waits,
                                                           made);
                });
}

cl_int CL_API_CALL limit_clEnqueueCopyBufferToImage(
    cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_image, size_t src_offset,
    const size_t* dst_origin, const size_t* region, cl_uint num_events_in_wait_list,
    const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueCopyBufferToImage, volume(region)),
                false, num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCopyBufferToImage(command_queue, src_buffer, dst_image,
                                                           src_offset, dst_origin, region, n, waits,
                                                           made);
                });
}

cl_int CL_API_CALL limit_clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer,
                                             const void* pattern, size_t pattern_size,
                                             size_t offset, size_t size,
                                             cl_uint num_events_in_wait_list,
                                             const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueFillBuffer, size), false,
                num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueFillBuffer(command_queue, buffer, pattern, pattern_size,
                                                    offset, size, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueFillImage(cl_command_queue command_queue, cl_mem image,
                                            const void* fill_color, const size_t* origin,
                                            const size_t* region, cl_uint num_events_in_wait_list,
                                            const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueFillImage, volume(region)), false,
                num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueFillImage(command_queue, image, fill_color, origin, region,
                                                   n, waits, made);
                });
}

}  // namespace flexai::limit::opencl
