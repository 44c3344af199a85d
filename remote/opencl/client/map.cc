// Mapped memory: the program sees a copy of its own, which is filled when the mapping's event ends
// and, if it was mapped for writing, travels back with the unmap. A buffer made of the program's
// memory is mapped to that memory, as the API says.
#include <sys/mman.h>

#include <memory>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/parcel.h"
#include "remote/opencl/client/plain.h"
#include "remote/opencl/image_format.h"
#include "remote/opencl/map_flags.h"

namespace flexai::remote::opencl {
namespace {

// Where the program sees the object's first byte; null: no memory.
std::byte* view_of(Mem* mem) {
  if (mem->host_ptr != nullptr) return static_cast<std::byte*>(mem->host_ptr);
  // Parts of a buffer are where they are in the whole.
  if (mem->type == CL_MEM_OBJECT_BUFFER && mem->of() != nullptr) {
    std::byte* whole = view_of(mem->of());
    return whole == nullptr ? nullptr : whole + mem->offset;
  }
  base::MutexLock lock(mem->mutex);
  if (mem->shadow == nullptr) {
    void* pages =
        ::mmap(nullptr, mem->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return nullptr;
    mem->shadow = static_cast<std::byte*>(pages);
  }
  return mem->shadow;
}

struct Wish {
  cl_command_queue queue;
  Mem* mem;
  cl_command_type command;
  bool blocking;
  cl_map_flags flags;
  cl_uint waits;
  cl_event* event;
  cl_int* errcode_ret;
};

void* fail(const Wish& wish, cl_int code) {
  if (wish.errcode_ret != nullptr) *wish.errcode_ret = code;
  return nullptr;
}

template <typename Send>
void* map(const Wish& wish, Landing place, Send send) {
  if (get(wish.queue) == nullptr) return fail(wish, CL_INVALID_COMMAND_QUEUE);
  Birth birth(wish.queue, wish.command, wish.event, true);
  if (!birth.ok()) return fail(wish, birth.done(CL_SUCCESS));
  Mapped mapped{take_id(get(wish.queue)),
                place,
                (wish.flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0,
                {}};
  const bool fills = map_fills(wish.flags);
  if (fills && mapped.writes) mapped.pristine = Pristine::make(place.size());
  if (birth.event() != nullptr && fills) {
    if (!birth.event()->expect(place)) return fail(wish, birth.done(CL_OUT_OF_HOST_MEMORY));
    birth.event()->pristine = mapped.pristine;
  }
  cl_int code = send(birth.id(), mapped.id);
  if (code == CL_SUCCESS && place.at == nullptr) code = CL_MAP_FAILURE;  // no worker of ours
  if (code != CL_SUCCESS) {
    give_back_id(get(wish.queue), mapped.id);
    return fail(wish, birth.done(code));
  }
  {
    base::MutexLock lock(wish.mem->mutex);
    wish.mem->maps.push_back(mapped);
  }
  code = wish.blocking ? birth.done_and_ended(code, wish.waits != 0) : birth.done(code);
  if (wish.errcode_ret != nullptr) *wish.errcode_ret = code;
  return code == CL_SUCCESS ? place.at : nullptr;
}

// What goes back to the worker when a mapping ends: the pieces that changed, in the call, or, when
// these are large, all of it beside.
struct Back {
  explicit Back(const Mapped& mapped) {
    if (!mapped.writes) return;
    std::unique_ptr<std::byte[]> tight;
    wire::Bytes now{mapped.place.at, mapped.place.size()};
    if (!mapped.place.whole()) {
      tight.reset(new (std::nothrow) std::byte[now.size()]);
      full = tight == nullptr;
      if (full) return;
      gather(mapped.place, tight.get());
      now = {tight.get(), now.size()};
    }
    pieces = mapped.pristine == nullptr ? all_changed(now) : mapped.pristine->changes(now);
    if (Parcel::needs_event(pieces.size())) whole = mapped.place;
  }
  bool ok() const { return !full; }
  Payload in_call() const { return {pieces, 0}; }

  std::vector<std::byte> pieces;
  Landing whole;
  bool full = false;
};

}  // namespace

void* CL_API_CALL client_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer,
                                            cl_bool blocking_map, cl_map_flags map_flags,
                                            size_t offset, size_t size,
                                            cl_uint num_events_in_wait_list,
                                            const cl_event* event_wait_list, cl_event* event,
                                            cl_int* errcode_ret) {
  const Wish wish{command_queue,
                  get(buffer),
                  CL_COMMAND_MAP_BUFFER,
                  blocking_map != CL_FALSE,
                  map_flags,
                  num_events_in_wait_list,
                  event,
                  errcode_ret};
  Landing place;
  if (plain_range(command_queue, buffer, offset, size)) {
    std::byte* view = view_of(wish.mem);
    if (view == nullptr) return fail(wish, CL_MAP_FAILURE);
    place.at = view + offset;
    place.row = place.row_pitch = place.slice_pitch = size;
  }
  return map(wish, place, [&](ObjectId id, ObjectId mapping) {
    return wire_clEnqueueMapBuffer(Mode::kAsk, command_queue, buffer, CL_FALSE, map_flags, offset,
                                   size, num_events_in_wait_list, event_wait_list, id, mapping);
  });
}

void* CL_API_CALL client_clEnqueueMapImage(cl_command_queue command_queue, cl_mem image,
                                           cl_bool blocking_map, cl_map_flags map_flags,
                                           const size_t* origin, const size_t* region,
                                           size_t* image_row_pitch, size_t* image_slice_pitch,
                                           cl_uint num_events_in_wait_list,
                                           const cl_event* event_wait_list, cl_event* event,
                                           cl_int* errcode_ret) {
  const Wish wish{command_queue,
                  get(image),
                  CL_COMMAND_MAP_IMAGE,
                  blocking_map != CL_FALSE,
                  map_flags,
                  num_events_in_wait_list,
                  event,
                  errcode_ret};
  Landing place;
  if (wish.mem != nullptr && wish.mem->size != 0 && origin != nullptr && region != nullptr) {
    const Extent extent = extent_of(wish.mem->desc);
    const size_t element = element_bytes(wish.mem->format);
    std::byte* view = view_of(wish.mem);
    if (view == nullptr) return fail(wish, CL_MAP_FAILURE);
    place.row = region[0] * element;
    place.rows = region[1];
    place.slices = region[2];
    place.row_pitch = extent.width * element;
    if (wish.mem->host_ptr != nullptr && wish.mem->desc.image_row_pitch != 0)
      place.row_pitch = wish.mem->desc.image_row_pitch;
    place.slice_pitch = place.row_pitch * extent.height;
    if (wish.mem->host_ptr != nullptr && wish.mem->desc.image_slice_pitch != 0)
      place.slice_pitch = wish.mem->desc.image_slice_pitch;
    place.at =
        view + origin[2] * place.slice_pitch + origin[1] * place.row_pitch + origin[0] * element;
  }
  size_t row = 0, slice = 0;
  void* at = map(wish, place, [&](ObjectId id, ObjectId mapping) {
    return wire_clEnqueueMapImage(Mode::kAsk, command_queue, image, CL_FALSE, map_flags, origin,
                                  region, image_row_pitch == nullptr ? nullptr : &row,
                                  image_slice_pitch == nullptr ? nullptr : &slice,
                                  num_events_in_wait_list, event_wait_list, id, mapping);
  });
  if (at == nullptr) return at;
  // The pitches of the program's view, not of the driver's.
  const cl_mem_object_type type = wish.mem->type;
  const bool flat = type == CL_MEM_OBJECT_IMAGE1D || type == CL_MEM_OBJECT_IMAGE2D ||
                    type == CL_MEM_OBJECT_IMAGE1D_BUFFER;
  if (image_row_pitch != nullptr) *image_row_pitch = place.row_pitch;
  if (image_slice_pitch != nullptr)
    *image_slice_pitch = flat                                  ? 0
                         : type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? place.row_pitch
                                                               : place.slice_pitch;
  return at;
}

cl_int CL_API_CALL client_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj,
                                                  void* mapped_ptr, cl_uint num_events_in_wait_list,
                                                  const cl_event* event_wait_list,
                                                  cl_event* event) {
  Mem* mem = get(memobj);
  Mapped mapped;
  if (mem != nullptr) {
    base::MutexLock lock(mem->mutex);
    for (const Mapped& each : mem->maps)
      if (each.place.at == mapped_ptr) mapped = each;
  }
  const Back back(mapped);
  if (!back.ok()) return CL_OUT_OF_HOST_MEMORY;
  Birth birth(command_queue, CL_COMMAND_UNMAP_MEM_OBJECT, event, back.whole.at != nullptr);
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  const Parcel parcel(back.whole, birth.event());
  if (!parcel.ok()) return birth.done(CL_OUT_OF_HOST_MEMORY);
  const Payload payload = parcel.payload().bulk != 0 ? parcel.payload() : back.in_call();
  const bool plain =
      mapped.id != 0 && plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
  const cl_int code = wire_clEnqueueUnmapMemObject(
      plain ? Mode::kTell : Mode::kAsk, command_queue, memobj, mapped.id, payload,
      num_events_in_wait_list, event_wait_list, birth.id());
  if (code == CL_SUCCESS && mem != nullptr) {
    base::MutexLock lock(mem->mutex);
    std::erase_if(mem->maps, [&](const Mapped& each) { return each.id == mapped.id; });
    give_back_id(mem, mapped.id);
  }
  return birth.done(code);
}

}  // namespace flexai::remote::opencl
