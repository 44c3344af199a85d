// Mapped memory: mapped on the host of the queue, and unmapped there, whatever queue that is asked
// of.
#include "remote/opencl/map_flags.h"
#include "remote/opencl/wide/command.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

constexpr cl_map_flags kWrites = CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;

Access access_of(cl_map_flags flags) { return map_fills(flags) ? Access::kRead : Access::kNone; }

// `send` makes the call and gives the address.
template <typename Send>
void* map(Command& command, const Use& use, bool blocking, cl_map_flags flags, cl_int* errcode_ret,
          Send send) {
  void* at = nullptr;
  const cl_mem mem = handle_of<cl_mem>(use.mem);
  const bool closed = ((flags & CL_MAP_READ) != 0 && is_closed(mem, CL_MEM_HOST_WRITE_ONLY)) ||
                      ((flags & kWrites) != 0 && is_closed(mem, CL_MEM_HOST_READ_ONLY));
  if (closed) {
    if (errcode_ret != nullptr) *errcode_ret = CL_INVALID_OPERATION;
    return nullptr;
  }
  const cl_int code = command.run(
      {use}, blocking, [&](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its) {
        cl_int sent = CL_SUCCESS;
        at = send(real, n, list, its, &sent);
        if (sent == CL_SUCCESS)
          use.mem->maps.push_back(
              {at, command.queue()->host, use.begin, use.size, (flags & kWrites) != 0});
        return sent;
      });
  if (errcode_ret != nullptr) *errcode_ret = code;
  return code == CL_SUCCESS ? at : nullptr;
}

void* CL_API_CALL map_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                             cl_map_flags flags, size_t offset, size_t size, cl_uint count,
                             const cl_event* waits, cl_event* event, cl_int* code) {
  Command command(queue, CL_COMMAND_MAP_BUFFER, {count, waits}, event);
  return map(
      command, part(buffer, offset, size, access_of(flags)), blocking != CL_FALSE, flags, code,
      [&](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its, cl_int* sent) {
        return below().clEnqueueMapBuffer(real, command.real(buffer), CL_FALSE, flags, offset, size,
                                          n, list, its, sent);
      });
}

void* CL_API_CALL map_image(cl_command_queue queue, cl_mem image, cl_bool blocking,
                            cl_map_flags flags, const size_t* origin, const size_t* region,
                            size_t* row_pitch, size_t* slice_pitch, cl_uint count,
                            const cl_event* waits, cl_event* event, cl_int* code) {
  Command command(queue, CL_COMMAND_MAP_IMAGE, {count, waits}, event);
  // What is not mapped stays: an image moves whole.
  return map(
      command, whole(image, Access::kRead), blocking != CL_FALSE, flags, code,
      [&](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its, cl_int* sent) {
        return below().clEnqueueMapImage(real, command.real(image), CL_FALSE, flags, origin, region,
                                         row_pitch, slice_pitch, n, list, its, sent);
      });
}

// Takes the newest mapping at the address; false: there is none.
bool take(WideMem* mem, void* at, WideMem::Mapped* found) {
  base::MutexLock lock(mem->context()->mutex);
  for (auto each = mem->maps.rbegin(); each != mem->maps.rend(); ++each) {
    if (each->at != at) continue;
    *found = *each;
    mem->maps.erase(std::next(each).base());
    return true;
  }
  return false;
}

// On the host where it is mapped; the queue that was named waits for it. REQUIRES: the mutex.
cl_int unmap_elsewhere(Command& command, WideMem* mem, const WideMem::Mapped& mapped, cl_uint count,
                       const cl_event* waits, cl_command_queue real, cl_event* event) {
  WideContext* context = command.context();
  const cl_command_queue mover = context->hosts[mapped.host].mover;
  std::vector<cl_event> list;
  cl_int code = CL_SUCCESS;
  for (cl_uint i = 0; code == CL_SUCCESS && i < count; ++i)
    list.push_back(there(wide<WideEvent>(waits[i]), mapped.host, &code));
  auto* ended = new WideEvent(context, nullptr, CL_COMMAND_UNMAP_MEM_OBJECT, mapped.host);
  if (code == CL_SUCCESS)
    code = below().clEnqueueUnmapMemObject(mover, mem->reals[mapped.host], mapped.at,
                                           static_cast<cl_uint>(list.size()),
                                           list.empty() ? nullptr : list.data(), &ended->real);
  if (code == CL_SUCCESS) {
    below().clFlush(mover);
    const cl_event proxy = there(ended, command.queue()->host, &code);
    if (code == CL_SUCCESS) code = below().clEnqueueMarkerWithWaitList(real, 1, &proxy, event);
  }
  if (code == CL_SUCCESS && mapped.writes) {
    const bool bytes = mem->is_bytes();
    const size_t begin = bytes ? mem->start() + mapped.begin : 0;
    mem->root()->ranges->written(begin, bytes ? begin + mapped.size : 1, mapped.host,
                                 std::make_shared<EventArrival>(false, ended->real, mover));
  }
  drop(ended);
  return code;
}

cl_int CL_API_CALL unmap(cl_command_queue queue, cl_mem memobj, void* at, cl_uint count,
                         const cl_event* waits, cl_event* event) {
  const auto* known = wide<WideQueue>(queue);
  auto* mem = wide<WideMem>(memobj);
  if (known == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (mem == nullptr) return CL_INVALID_MEM_OBJECT;
  WideMem::Mapped mapped{};
  if (!take(mem, at, &mapped)) return CL_INVALID_VALUE;
  Command command(queue, CL_COMMAND_UNMAP_MEM_OBJECT, {count, waits}, event);
  const bool here = mapped.host == known->host;
  const Use use{mem, mapped.begin, mapped.size,
                here && mapped.writes ? Access::kWrite : Access::kNone};
  return command.run(
      {use}, false, [&](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its) {
        if (!here) return unmap_elsewhere(command, mem, mapped, count, waits, real, its);
        return below().clEnqueueUnmapMemObject(real, command.real(memobj), at, n, list, its);
      });
}

}  // namespace

void add_maps(Table& table) {
  table.clEnqueueMapBuffer = map_buffer;
  table.clEnqueueMapImage = map_image;
  table.clEnqueueUnmapMemObject = unmap;
}

}  // namespace flexai::remote::opencl::wide
