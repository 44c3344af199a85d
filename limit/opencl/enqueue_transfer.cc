// Host <-> card copies.
#include "limit/opencl/entries.h"
#include "limit/opencl/region.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

}  // namespace

cl_int CL_API_CALL limit_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer,
                                             cl_bool blocking_read, size_t offset, size_t size,
                                             void* ptr, cl_uint num_events_in_wait_list,
                                             const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueReadBuffer, size),
                         blocking_read == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueReadBuffer(command_queue, buffer, blocking_read,
                                                             offset, size, ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer,
                                              cl_bool blocking_write, size_t offset, size_t size,
                                              const void* ptr, cl_uint num_events_in_wait_list,
                                              const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueWriteBuffer, size),
                         blocking_write == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueWriteBuffer(command_queue, buffer, blocking_write,
                                                              offset, size, ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer,
                                                 cl_bool blocking_read, const size_t* buffer_origin,
                                                 const size_t* host_origin, const size_t* region,
                                                 size_t buffer_row_pitch, size_t buffer_slice_pitch,
                                                 size_t host_row_pitch, size_t host_slice_pitch,
                                                 void* ptr, cl_uint num_events_in_wait_list,
                                                 const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueReadBufferRect, volume(region)),
                         blocking_read == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueReadBufferRect(
                               command_queue, buffer, blocking_read, buffer_origin, host_origin,
                               region, buffer_row_pitch, buffer_slice_pitch, host_row_pitch,
                               host_slice_pitch, ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueWriteBufferRect(
    cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write,
    const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
    size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
    size_t host_slice_pitch, const void* ptr, cl_uint num_events_in_wait_list,
    const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue,
                         copy_cost(EntryId::clEnqueueWriteBufferRect, volume(region)),
                         blocking_write == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueWriteBufferRect(
                               command_queue, buffer, blocking_write, buffer_origin, host_origin,
                               region, buffer_row_pitch, buffer_slice_pitch, host_row_pitch,
                               host_slice_pitch, ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueReadImage(cl_command_queue command_queue, cl_mem image,
                                            cl_bool blocking_read, const size_t* origin,
                                            const size_t* region, size_t row_pitch,
                                            size_t slice_pitch, void* ptr,
                                            cl_uint num_events_in_wait_list,
                                            const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueReadImage, volume(region)),
                         blocking_read == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueReadImage(command_queue, image, blocking_read,
                                                            origin, region, row_pitch, slice_pitch,
                                                            ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image,
                                             cl_bool blocking_write, const size_t* origin,
                                             const size_t* region, size_t input_row_pitch,
                                             size_t input_slice_pitch, const void* ptr,
                                             cl_uint num_events_in_wait_list,
                                             const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueWriteImage, volume(region)),
                         blocking_write == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueWriteImage(
                               command_queue, image, blocking_write, origin, region,
                               input_row_pitch, input_slice_pitch, ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj,
                                                 void* mapped_ptr, cl_uint num_events_in_wait_list,
                                                 const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(
      command_queue, copy_cost(EntryId::clEnqueueUnmapMemObject, 0), false, num_events_in_wait_list,
      event_wait_list, event, [=](cl_uint n, const cl_event* waits, cl_event* made) {
        return next().clEnqueueUnmapMemObject(command_queue, memobj, mapped_ptr, n, waits, made);
      });
}

cl_int CL_API_CALL limit_clEnqueueMigrateMemObjects(
    cl_command_queue command_queue, cl_uint num_mem_objects, const cl_mem* mem_objects,
    cl_mem_migration_flags flags, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
    cl_event* event) {
  return submit_transfer(command_queue,
                         copy_cost(EntryId::clEnqueueMigrateMemObjects, num_mem_objects), false,
                         num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueMigrateMemObjects(
                               command_queue, num_mem_objects, mem_objects, flags, n, waits, made);
                         });
}

void* CL_API_CALL limit_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer,
                                           cl_bool blocking_map, cl_map_flags map_flags,
                                           size_t offset, size_t size,
                                           cl_uint num_events_in_wait_list,
                                           const cl_event* event_wait_list, cl_event* event,
                                           cl_int* errcode_ret) {
  void* mapped = nullptr;
  cl_int rc = submit_transfer(
      command_queue, copy_cost(EntryId::clEnqueueMapBuffer, size), blocking_map == CL_TRUE,
      num_events_in_wait_list, event_wait_list, event,
      [=, &mapped](cl_uint n, const cl_event* waits, cl_event* made) {
        cl_int result = CL_SUCCESS;
        mapped = next().clEnqueueMapBuffer(command_queue, buffer, blocking_map, map_flags, offset,
                                           size, n, waits, made, &result);
        return result;
      });
  if (errcode_ret != nullptr) *errcode_ret = rc;
  return mapped;
}

void* CL_API_CALL limit_clEnqueueMapImage(cl_command_queue command_queue, cl_mem image,
                                          cl_bool blocking_map, cl_map_flags map_flags,
                                          const size_t* origin, const size_t* region,
                                          size_t* image_row_pitch, size_t* image_slice_pitch,
                                          cl_uint num_events_in_wait_list,
                                          const cl_event* event_wait_list, cl_event* event,
                                          cl_int* errcode_ret) {
  void* mapped = nullptr;
  cl_int rc =
      submit_transfer(command_queue, copy_cost(EntryId::clEnqueueMapImage, volume(region)),
                      blocking_map == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                      [=, &mapped](cl_uint n, const cl_event* waits, cl_event* made) {
                        cl_int result = CL_SUCCESS;
                        mapped = next().clEnqueueMapImage(
                            command_queue, image, blocking_map, map_flags, origin, region,
                            image_row_pitch, image_slice_pitch, n, waits, made, &result);
                        return result;
                      });
  if (errcode_ret != nullptr) *errcode_ret = rc;
  return mapped;
}

}  // namespace flexai::limit::opencl
