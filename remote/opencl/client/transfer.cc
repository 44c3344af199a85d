// Reads and writes. What a command reads comes with its event, so there always is one; a blocking
// read waits for it, a blocking write only until its bytes are on their way.
#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/parcel.h"
#include "remote/opencl/client/plain.h"
#include "remote/opencl/image_format.h"

namespace flexai::remote::opencl {
namespace {

// The program's side of a box of rows.
Landing box(void* at, size_t first, const size_t* origin, const size_t* region, size_t row_pitch,
            size_t slice_pitch) {
  Landing landing;
  if (at == nullptr || region == nullptr) return landing;
  landing.row = region[0] * first;
  landing.rows = region[1];
  landing.slices = region[2];
  landing.row_pitch = row_pitch == 0 ? landing.row : row_pitch;
  landing.slice_pitch = slice_pitch == 0 ? landing.row_pitch * landing.rows : slice_pitch;
  const size_t offset = origin == nullptr ? 0
                                          : origin[2] * landing.slice_pitch +
                                                origin[1] * landing.row_pitch + origin[0] * first;
  landing.at = static_cast<std::byte*>(at) + offset;
  return landing;
}

// Of the program's memory, which the driver never sees.
bool sound_pitches(const size_t* region, size_t row_pitch, size_t slice_pitch) {
  if (row_pitch != 0 && row_pitch < region[0]) return false;
  const size_t row = row_pitch == 0 ? region[0] : row_pitch;
  size_t least = 0;
  if (slice_pitch == 0 || row == 0) return true;
  return !__builtin_mul_overflow(row, region[1], &least) && slice_pitch >= least &&
         slice_pitch % row == 0;
}

Landing row(const void* at, size_t size) {
  Landing landing;
  landing.at = static_cast<std::byte*>(const_cast<void*>(at));
  landing.row = landing.row_pitch = landing.slice_pitch = at == nullptr ? 0 : size;
  return landing;
}

// A whole buffer, of which nothing is kept from the program.
bool open_to_host(const Mem* buffer) {
  constexpr cl_mem_flags kClosed =
      CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;
  return buffer->of() == nullptr && (buffer->flags & kClosed) == 0;
}

// `send` makes the call with the event's id.
template <typename Send>
cl_int read(cl_command_queue queue, cl_command_type command, const Landing& into, bool blocking,
            cl_uint waits, cl_event* event, Send send) {
  Birth birth(queue, command, event, true);
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  if (birth.event() == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (!birth.event()->expect(into)) return birth.done(CL_OUT_OF_HOST_MEMORY);
  const cl_int code = send(birth.id());
  return blocking ? birth.done_and_ended(code, waits != 0) : birth.done(code);
}

// A blocking write of a little returns when its bytes are on their way, a large one when it has
// ended.
template <typename Send>
cl_int write(cl_command_queue queue, cl_command_type command, const Landing& from, bool blocking,
             bool plain, cl_uint waits, cl_event* event, Send send) {
  if (get(queue) == nullptr) return CL_INVALID_COMMAND_QUEUE;
  Birth birth(queue, command, event, from.at != nullptr && Parcel::needs_event(from.size()));
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  const Parcel parcel(from, birth.event());
  if (!parcel.ok()) return birth.done(CL_OUT_OF_HOST_MEMORY);
  const cl_int code = send(plain ? Mode::kTell : Mode::kAsk, parcel.payload(), birth.id());
  const bool wait = blocking && birth.event() != nullptr;
  return wait ? birth.done_and_ended(code, waits != 0) : birth.done(code);
}

}  // namespace

cl_int CL_API_CALL client_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer,
                                              cl_bool blocking_read, size_t offset, size_t size,
                                              void* ptr, cl_uint num_events_in_wait_list,
                                              const cl_event* event_wait_list, cl_event* event) {
  if (get(command_queue) != nullptr && get(buffer) != nullptr && ptr == nullptr)
    return CL_INVALID_VALUE;
  const bool plain = plain_range(command_queue, buffer, offset, size) &&
                     open_to_host(get(buffer)) &&
                     plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
  return read(command_queue, CL_COMMAND_READ_BUFFER,
              row(ptr, plain || get(buffer) == nullptr ? size : std::min(size, get(buffer)->size)),
              blocking_read != CL_FALSE, num_events_in_wait_list, event, [&](ObjectId id) {
                return wire_clEnqueueReadBuffer(plain ? Mode::kTell : Mode::kAsk, command_queue,
                                                buffer, CL_FALSE, offset, size,
                                                num_events_in_wait_list, event_wait_list, id);
              });
}

cl_int CL_API_CALL client_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer,
                                               cl_bool blocking_write, size_t offset, size_t size,
                                               const void* ptr, cl_uint num_events_in_wait_list,
                                               const cl_event* event_wait_list, cl_event* event) {
  const bool range = plain_range(command_queue, buffer, offset, size);
  const bool plain = range && ptr != nullptr && open_to_host(get(buffer)) &&
                     plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
  // Bytes that no driver would look at do not travel.
  const Mem* to = get(buffer);
  const bool within = to != nullptr && offset <= to->size && size <= to->size - offset;
  const size_t travel = range || within || to == nullptr ? size : 1;
  return write(
      command_queue, CL_COMMAND_WRITE_BUFFER, row(ptr, travel), blocking_write != CL_FALSE, plain,
      num_events_in_wait_list, event, [&](Mode mode, const Payload& payload, ObjectId id) {
        return wire_clEnqueueWriteBuffer(mode, command_queue, buffer, CL_FALSE, offset, size,
                                         payload, num_events_in_wait_list, event_wait_list, id);
      });
}

cl_int CL_API_CALL client_clEnqueueReadBufferRect(
    cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read,
    const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
    size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
    size_t host_slice_pitch, void* ptr, cl_uint num_events_in_wait_list,
    const cl_event* event_wait_list, cl_event* event) {
  if (ptr == nullptr || region == nullptr || buffer_origin == nullptr || host_origin == nullptr ||
      !sound_pitches(region, host_row_pitch, host_slice_pitch))
    return get(command_queue) == nullptr ? CL_INVALID_COMMAND_QUEUE
           : get(buffer) == nullptr      ? CL_INVALID_MEM_OBJECT
                                         : CL_INVALID_VALUE;
  return read(command_queue, CL_COMMAND_READ_BUFFER_RECT,
              box(ptr, 1, host_origin, region, host_row_pitch, host_slice_pitch),
              blocking_read != CL_FALSE, num_events_in_wait_list, event, [&](ObjectId id) {
                return wire_clEnqueueReadBufferRect(
                    Mode::kAsk, command_queue, buffer, CL_FALSE, buffer_origin, host_origin, region,
                    buffer_row_pitch, buffer_slice_pitch, host_row_pitch, host_slice_pitch,
                    num_events_in_wait_list, event_wait_list, id);
              });
}

cl_int CL_API_CALL client_clEnqueueWriteBufferRect(
    cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write,
    const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
    size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
    size_t host_slice_pitch, const void* ptr, cl_uint num_events_in_wait_list,
    const cl_event* event_wait_list, cl_event* event) {
  if (ptr == nullptr || region == nullptr || buffer_origin == nullptr || host_origin == nullptr ||
      !sound_pitches(region, host_row_pitch, host_slice_pitch))
    return get(command_queue) == nullptr ? CL_INVALID_COMMAND_QUEUE
           : get(buffer) == nullptr      ? CL_INVALID_MEM_OBJECT
                                         : CL_INVALID_VALUE;
  return write(
      command_queue, CL_COMMAND_WRITE_BUFFER_RECT,
      box(const_cast<void*>(ptr), 1, host_origin, region, host_row_pitch, host_slice_pitch),
      blocking_write != CL_FALSE, false, num_events_in_wait_list, event,
      [&](Mode mode, const Payload& payload, ObjectId id) {
        return wire_clEnqueueWriteBufferRect(mode, command_queue, buffer, CL_FALSE, buffer_origin,
                                             host_origin, region, buffer_row_pitch,
                                             buffer_slice_pitch, host_row_pitch, host_slice_pitch,
                                             payload, num_events_in_wait_list, event_wait_list, id);
      });
}

namespace {

// Rows of an array of rows are apart by its slice pitch.
Landing pixels(const Mem* image, const void* ptr, const size_t* region, size_t row_pitch,
               size_t slice_pitch) {
  if (image == nullptr || ptr == nullptr || region == nullptr) return {};
  const bool rows = image->type == CL_MEM_OBJECT_IMAGE1D_ARRAY && slice_pitch != 0;
  return box(const_cast<void*>(ptr), element_bytes(image->format), nullptr, region,
             rows ? slice_pitch : row_pitch, rows ? 0 : slice_pitch);
}

}  // namespace

cl_int CL_API_CALL client_clEnqueueReadImage(cl_command_queue command_queue, cl_mem image,
                                             cl_bool blocking_read, const size_t* origin,
                                             const size_t* region, size_t row_pitch,
                                             size_t slice_pitch, void* ptr,
                                             cl_uint num_events_in_wait_list,
                                             const cl_event* event_wait_list, cl_event* event) {
  if (get(command_queue) != nullptr && get(image) != nullptr && ptr == nullptr)
    return CL_INVALID_VALUE;
  return read(command_queue, CL_COMMAND_READ_IMAGE,
              pixels(get(image), ptr, region, row_pitch, slice_pitch), blocking_read != CL_FALSE,
              num_events_in_wait_list, event, [&](ObjectId id) {
                return wire_clEnqueueReadImage(Mode::kAsk, command_queue, image, CL_FALSE, origin,
                                               region, row_pitch, slice_pitch,
                                               num_events_in_wait_list, event_wait_list, id);
              });
}

cl_int CL_API_CALL client_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image,
                                              cl_bool blocking_write, const size_t* origin,
                                              const size_t* region, size_t input_row_pitch,
                                              size_t input_slice_pitch, const void* ptr,
                                              cl_uint num_events_in_wait_list,
                                              const cl_event* event_wait_list, cl_event* event) {
  return write(command_queue, CL_COMMAND_WRITE_IMAGE,
               pixels(get(image), ptr, region, input_row_pitch, input_slice_pitch),
               blocking_write != CL_FALSE, false, num_events_in_wait_list, event,
               [&](Mode mode, const Payload& payload, ObjectId id) {
                 return wire_clEnqueueWriteImage(
                     mode, command_queue, image, CL_FALSE, origin, region, input_row_pitch,
                     input_slice_pitch, payload, num_events_in_wait_list, event_wait_list, id);
               });
}

}  // namespace flexai::remote::opencl
