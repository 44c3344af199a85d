// Mapped memory: the driver's mapping stays here, its bytes travel to the client's copy of it and,
// when it was mapped for writing, back.
#include "remote/opencl/map_flags.h"
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/flow.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {
namespace {

// The mapping's bytes without gaps.
Staging copy_of(const Landing& place) {
  Staging staging = Staging::make(place.size());
  if (staging.data() != nullptr) gather(place, staging.data());
  return staging;
}

// Pieces of the mapping that the program changed, see docs/formats/remote.md.
bool put(const Landing& place, wire::Bytes bytes) {
  wire::Reader reader(bytes);
  const uint32_t count = reader.u32("pieces");
  wire::Reader pieces(reader.raw("pieces", count > reader.left() / 16 ? SIZE_MAX : count * 16));
  for (uint32_t i = 0; i < count && reader.ok() && pieces.ok(); ++i) {
    const uint64_t offset = pieces.u64("offset"), size = pieces.u64("size");
    if (offset > place.size() || size > place.size() - offset || size > reader.left()) return false;
    land(place, offset, reader.raw("bytes", size));
  }
  return reader.finish().ok();
}

// `id` names the mapping from now on.
cl_int keep(Incoming& call, const Mapping& mapping, cl_map_flags flags, cl_event made,
            ObjectId event, ObjectId id) {
  Worker& worker = call.worker();
  if (!worker.mappings().emplace(id, mapping).second) {
    call.table().clReleaseEvent(made);
    return CL_INVALID_VALUE;  // no client of ours
  }
  const bool fresh = !map_fills(flags);
  worker.keep_event(event, made, [&worker, mapping, event, fresh](cl_event ended, cl_int status) {
    const Worker::Times times = worker.times_of(ended, ended);
    if (fresh || status < 0) return worker.completed(event, status, times);
    const Staging bytes = copy_of(mapping.place);
    worker.send_read(event, bytes, bytes.data() == nullptr ? CL_OUT_OF_HOST_MEMORY : status, times);
  });
  return CL_SUCCESS;
}

// Large bytes, for all of the mapping; the unmapping waits for the gate.
cl_int fill(Worker& worker, const Data& bytes, const Landing& place, std::shared_ptr<Gate> gate) {
  if (place.whole()) {
    flow_in(worker, bytes.bulk, {place.at, place.size()}, std::move(gate), {});
    return CL_SUCCESS;
  }
  const Staging from = Staging::make(place.size());
  if (from.data() == nullptr) return CL_OUT_OF_HOST_MEMORY;
  flow_in(worker, bytes.bulk, from.span(), std::move(gate),
          [from, place] { land(place, 0, from.span()); });
  return CL_SUCCESS;
}

}  // namespace

namespace {

// How a mapping is begun: at once, or as a command of the client's.
struct Begin {
  cl_command_queue queue;
  cl_bool blocking;
  Waits waits;
  cl_event* event;
};

Landing map_buffer(const Table& table, const Begin& begin, cl_mem buffer, const MapPart& part,
                   cl_int& code) {
  void* at =
      table.clEnqueueMapBuffer(begin.queue, buffer, begin.blocking, part.flags, part.offset,
                               part.size, begin.waits.count, begin.waits.list, begin.event, &code);
  Landing place;
  place.at = static_cast<std::byte*>(at);
  place.row = place.row_pitch = place.slice_pitch = part.size;
  return place;
}

Landing map_image(const Table& table, const Begin& begin, cl_mem image, const MapPart& part,
                  cl_int& code) {
  size_t row = 0, slice = 0, element = 0;
  void* at = table.clEnqueueMapImage(
      begin.queue, image, begin.blocking, part.flags, part.origin.data(), part.region.data(),
      part.wants_row ? &row : nullptr, part.wants_slice ? &slice : nullptr, begin.waits.count,
      begin.waits.list, begin.event, &code);
  if (code != CL_SUCCESS) return {};
  table.clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof element, &element, nullptr);
  Landing place;
  place.at = static_cast<std::byte*>(at);
  place.row = part.region[0] * element;
  place.rows = part.region[1];
  place.slices = part.region[2];
  cl_mem_object_type type = 0;
  table.clGetMemObjectInfo(image, CL_MEM_TYPE, sizeof type, &type, nullptr);
  // The rows of an array of rows are its slices.
  place.row_pitch = type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? slice : row;
  place.slice_pitch = slice;
  return place;
}

}  // namespace

Landing map_now(const Table& table, cl_command_queue queue, cl_mem object, const MapPart& part) {
  cl_int code = CL_SUCCESS;
  const Begin begin{queue, CL_TRUE, {}, nullptr};
  const Landing place = part.image ? map_image(table, begin, object, part, code)
                                   : map_buffer(table, begin, object, part, code);
  return code == CL_SUCCESS ? place : Landing{};
}

cl_int handle_clEnqueueMapBuffer(Incoming& call, cl_command_queue queue, cl_mem buffer, cl_bool,
                                 cl_map_flags flags, size_t offset, size_t size, cl_uint waits,
                                 const Values<cl_event>& list, ObjectId event, ObjectId result) {
  if (event == 0 || result == 0) return CL_INVALID_VALUE;
  cl_int code = CL_SUCCESS;
  cl_event made = nullptr;
  MapPart part;
  part.flags = flags;
  part.offset = offset;
  part.size = size;
  const Landing place =
      map_buffer(call.table(), {queue, CL_FALSE, {waits, list.data()}, &made}, buffer, part, code);
  if (code != CL_SUCCESS) return code;
  if (place.at == nullptr) return CL_MAP_FAILURE;
  return keep(call, {place, buffer, part}, flags, made, event, result);
}

cl_int handle_clEnqueueMapImage(Incoming& call, cl_command_queue queue, cl_mem image, cl_bool,
                                cl_map_flags flags, const Values<size_t>& origin,
                                const Values<size_t>& region, Out<size_t>& row_pitch,
                                Out<size_t>& slice_pitch, cl_uint waits,
                                const Values<cl_event>& list, ObjectId event, ObjectId result) {
  if (event == 0 || result == 0) return CL_INVALID_VALUE;
  cl_int code = CL_SUCCESS;
  cl_event made = nullptr;
  if (!origin.there || !region.there) return CL_INVALID_VALUE;
  MapPart part;
  part.image = true;
  part.flags = flags;
  std::copy_n(origin.values.begin(), 3, part.origin.begin());
  std::copy_n(region.values.begin(), 3, part.region.begin());
  part.wants_row = row_pitch.there;
  part.wants_slice = slice_pitch.there;
  const Landing place =
      map_image(call.table(), {queue, CL_FALSE, {waits, list.data()}, &made}, image, part, code);
  if (code != CL_SUCCESS) return code;
  if (place.at == nullptr) return CL_MAP_FAILURE;
  return keep(call, {place, image, part}, flags, made, event, result);
}

cl_int handle_clEnqueueUnmapMemObject(Incoming& call, cl_command_queue queue, cl_mem memobj,
                                      ObjectId mapped_ptr, const Data& bytes, cl_uint waits,
                                      const Values<cl_event>& list, ObjectId event) {
  Worker& worker = call.worker();
  auto found = worker.mappings().find(mapped_ptr);
  const bool known = found != worker.mappings().end();
  Landing place;  // of no mapping: the driver has a word for that
  if (known) place = found->second.place;
  std::shared_ptr<Gate> gate;
  if (known && bytes.there) {
    if (memobj != found->second.object) return CL_INVALID_VALUE;
    if (bytes.bulk == 0) {
      if (!put(place, bytes.bytes)) return CL_INVALID_VALUE;
    } else {
      if (bytes.size != place.size()) return CL_INVALID_VALUE;
      cl_int code = CL_SUCCESS;
      gate = Gate::make(worker, queue, code);
      if (gate == nullptr) return code;
    }
  }
  std::vector<cl_event> all;
  if (gate != nullptr) all = gate->with({waits, list.data()});
  const Waits use =
      all.empty() ? Waits{waits, list.data()} : Waits{static_cast<cl_uint>(all.size()), all.data()};
  MadeEvent made;
  const cl_int code = call.table().clEnqueueUnmapMemObject(queue, memobj, place.at, use.count,
                                                           use.list, made.place(event));
  if (code != CL_SUCCESS) return code;
  if (known) worker.mappings().erase(found);
  call.keep_event(event, made.event, code);
  return gate == nullptr ? code : fill(worker, bytes, place, std::move(gate));
}

}  // namespace flexai::remote::opencl
