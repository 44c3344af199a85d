// Commands that read, write, copy and fill memory.
#include "remote/opencl/wide/command.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

// Of the command, as it is sent.
#define FLEXAI_SENT cl_command_queue real, cl_uint n, const cl_event *list, cl_event *its

cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                               size_t offset, size_t size, void* ptr, cl_uint count,
                               const cl_event* waits, cl_event* event) {
  if (is_closed(buffer, CL_MEM_HOST_WRITE_ONLY)) return CL_INVALID_OPERATION;
  Command command(queue, CL_COMMAND_READ_BUFFER, {count, waits}, event);
  return command.run({part(buffer, offset, size, Access::kRead)}, blocking != CL_FALSE,
                     [&](FLEXAI_SENT) {
                       return below().clEnqueueReadBuffer(real, command.real(buffer), CL_FALSE,
                                                          offset, size, ptr, n, list, its);
                     });
}

cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                size_t offset, size_t size, const void* ptr, cl_uint count,
                                const cl_event* waits, cl_event* event) {
  if (is_closed(buffer, CL_MEM_HOST_READ_ONLY)) return CL_INVALID_OPERATION;
  Command command(queue, CL_COMMAND_WRITE_BUFFER, {count, waits}, event);
  return command.run({part(buffer, offset, size, Access::kWrite)}, blocking != CL_FALSE,
                     [&](FLEXAI_SENT) {
                       return below().clEnqueueWriteBuffer(real, command.real(buffer), CL_FALSE,
                                                           offset, size, ptr, n, list, its);
                     });
}

cl_int CL_API_CALL read_rect(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                             const size_t* from, const size_t* to, const size_t* region, size_t row,
                             size_t slice, size_t host_row, size_t host_slice, void* ptr,
                             cl_uint count, const cl_event* waits, cl_event* event) {
  if (is_closed(buffer, CL_MEM_HOST_WRITE_ONLY)) return CL_INVALID_OPERATION;
  Command command(queue, CL_COMMAND_READ_BUFFER_RECT, {count, waits}, event);
  return command.run({whole(buffer, Access::kRead)}, blocking != CL_FALSE, [&](FLEXAI_SENT) {
    return below().clEnqueueReadBufferRect(real, command.real(buffer), CL_FALSE, from, to, region,
                                           row, slice, host_row, host_slice, ptr, n, list, its);
  });
}

cl_int CL_API_CALL write_rect(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                              const size_t* to, const size_t* from, const size_t* region,
                              size_t row, size_t slice, size_t host_row, size_t host_slice,
                              const void* ptr, cl_uint count, const cl_event* waits,
                              cl_event* event) {
  if (is_closed(buffer, CL_MEM_HOST_READ_ONLY)) return CL_INVALID_OPERATION;
  Command command(queue, CL_COMMAND_WRITE_BUFFER_RECT, {count, waits}, event);
  return command.run({whole(buffer, Access::kBoth)}, blocking != CL_FALSE, [&](FLEXAI_SENT) {
    return below().clEnqueueWriteBufferRect(real, command.real(buffer), CL_FALSE, to, from, region,
                                            row, slice, host_row, host_slice, ptr, n, list, its);
  });
}

cl_int CL_API_CALL copy_buffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset,
                               size_t to_offset, size_t size, cl_uint count, const cl_event* waits,
                               cl_event* event) {
  Command command(queue, CL_COMMAND_COPY_BUFFER, {count, waits}, event);
  return command.run(
      {part(from, from_offset, size, Access::kRead), part(to, to_offset, size, Access::kWrite)},
      false, [&](FLEXAI_SENT) {
        return below().clEnqueueCopyBuffer(real, command.real(from), command.real(to), from_offset,
                                           to_offset, size, n, list, its);
      });
}

cl_int CL_API_CALL copy_rect(cl_command_queue queue, cl_mem from, cl_mem to,
                             const size_t* from_origin, const size_t* to_origin,
                             const size_t* region, size_t from_row, size_t from_slice,
                             size_t to_row, size_t to_slice, cl_uint count, const cl_event* waits,
                             cl_event* event) {
  Command command(queue, CL_COMMAND_COPY_BUFFER_RECT, {count, waits}, event);
  return command.run(
      {whole(from, Access::kRead), whole(to, Access::kBoth)}, false, [&](FLEXAI_SENT) {
        return below().clEnqueueCopyBufferRect(real, command.real(from), command.real(to),
                                               from_origin, to_origin, region, from_row, from_slice,
                                               to_row, to_slice, n, list, its);
      });
}

cl_int CL_API_CALL fill_buffer(cl_command_queue queue, cl_mem buffer, const void* pattern,
                               size_t pattern_size, size_t offset, size_t size, cl_uint count,
                               const cl_event* waits, cl_event* event) {
  Command command(queue, CL_COMMAND_FILL_BUFFER, {count, waits}, event);
  return command.run({part(buffer, offset, size, Access::kWrite)}, false, [&](FLEXAI_SENT) {
    return below().clEnqueueFillBuffer(real, command.real(buffer), pattern, pattern_size, offset,
                                       size, n, list, its);
  });
}

cl_int CL_API_CALL read_image(cl_command_queue queue, cl_mem image, cl_bool blocking,
                              const size_t* origin, const size_t* region, size_t row, size_t slice,
                              void* ptr, cl_uint count, const cl_event* waits, cl_event* event) {
  if (is_closed(image, CL_MEM_HOST_WRITE_ONLY)) return CL_INVALID_OPERATION;
  Command command(queue, CL_COMMAND_READ_IMAGE, {count, waits}, event);
  return command.run({whole(image, Access::kRead)}, blocking != CL_FALSE, [&](FLEXAI_SENT) {
    return below().clEnqueueReadImage(real, command.real(image), CL_FALSE, origin, region, row,
                                      slice, ptr, n, list, its);
  });
}

cl_int CL_API_CALL write_image(cl_command_queue queue, cl_mem image, cl_bool blocking,
                               const size_t* origin, const size_t* region, size_t row, size_t slice,
                               const void* ptr, cl_uint count, const cl_event* waits,
                               cl_event* event) {
  if (is_closed(image, CL_MEM_HOST_READ_ONLY)) return CL_INVALID_OPERATION;
  Command command(queue, CL_COMMAND_WRITE_IMAGE, {count, waits}, event);
  return command.run({whole(image, Access::kBoth)}, blocking != CL_FALSE, [&](FLEXAI_SENT) {
    return below().clEnqueueWriteImage(real, command.real(image), CL_FALSE, origin, region, row,
                                       slice, ptr, n, list, its);
  });
}

cl_int CL_API_CALL copy_image(cl_command_queue queue, cl_mem from, cl_mem to,
                              const size_t* from_origin, const size_t* to_origin,
                              const size_t* region, cl_uint count, const cl_event* waits,
                              cl_event* event) {
  Command command(queue, CL_COMMAND_COPY_IMAGE, {count, waits}, event);
  return command.run(
      {whole(from, Access::kRead), whole(to, Access::kBoth)}, false, [&](FLEXAI_SENT) {
        return below().clEnqueueCopyImage(real, command.real(from), command.real(to), from_origin,
                                          to_origin, region, n, list, its);
      });
}

cl_int CL_API_CALL image_to_buffer(cl_command_queue queue, cl_mem image, cl_mem buffer,
                                   const size_t* origin, const size_t* region, size_t offset,
                                   cl_uint count, const cl_event* waits, cl_event* event) {
  Command command(queue, CL_COMMAND_COPY_IMAGE_TO_BUFFER, {count, waits}, event);
  return command.run(
      {whole(image, Access::kRead), whole(buffer, Access::kBoth)}, false, [&](FLEXAI_SENT) {
        return below().clEnqueueCopyImageToBuffer(real, command.real(image), command.real(buffer),
                                                  origin, region, offset, n, list, its);
      });
}

cl_int CL_API_CALL buffer_to_image(cl_command_queue queue, cl_mem buffer, cl_mem image,
                                   size_t offset, const size_t* origin, const size_t* region,
                                   cl_uint count, const cl_event* waits, cl_event* event) {
  Command command(queue, CL_COMMAND_COPY_BUFFER_TO_IMAGE, {count, waits}, event);
  return command.run(
      {whole(buffer, Access::kRead), whole(image, Access::kBoth)}, false, [&](FLEXAI_SENT) {
        return below().clEnqueueCopyBufferToImage(real, command.real(buffer), command.real(image),
                                                  offset, origin, region, n, list, its);
      });
}

cl_int CL_API_CALL fill_image(cl_command_queue queue, cl_mem image, const void* color,
                              const size_t* origin, const size_t* region, cl_uint count,
                              const cl_event* waits, cl_event* event) {
  Command command(queue, CL_COMMAND_FILL_IMAGE, {count, waits}, event);
  return command.run({whole(image, Access::kBoth)}, false, [&](FLEXAI_SENT) {
    return below().clEnqueueFillImage(real, command.real(image), color, origin, region, n, list,
                                      its);
  });
}

#undef FLEXAI_SENT

}  // namespace

void add_transfers(Table& table) {
  table.clEnqueueReadBuffer = read_buffer;
  table.clEnqueueWriteBuffer = write_buffer;
  table.clEnqueueReadBufferRect = read_rect;
  table.clEnqueueWriteBufferRect = write_rect;
  table.clEnqueueCopyBuffer = copy_buffer;
  table.clEnqueueCopyBufferRect = copy_rect;
  table.clEnqueueFillBuffer = fill_buffer;
  table.clEnqueueReadImage = read_image;
  table.clEnqueueWriteImage = write_image;
  table.clEnqueueCopyImage = copy_image;
  table.clEnqueueCopyImageToBuffer = image_to_buffer;
  table.clEnqueueCopyBufferToImage = buffer_to_image;
  table.clEnqueueFillImage = fill_image;
}

}  // namespace flexai::remote::opencl::wide
