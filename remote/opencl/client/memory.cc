// Buffers, and what memory objects say of themselves.
#include <string.h>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"

namespace flexai::remote::opencl {
namespace {

constexpr cl_mem_flags kCopies = CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR;

// From here on the worker takes longer to copy than it takes to ask: then other threads' calls need
// not wait for it.
constexpr size_t kLongBytes = 4u << 20;

// At most one of the access flags and no contradiction: nothing a driver could refuse but for want
// of memory.
bool flags_are_plain(cl_mem_flags flags) {
  constexpr cl_mem_flags kAccess = CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;
  const cl_mem_flags access = flags & kAccess;
  return (flags & ~(kAccess | CL_MEM_COPY_HOST_PTR | CL_MEM_ALLOC_HOST_PTR)) == 0 &&
         (access & (access - 1)) == 0;
}

// Within what may be made without asking, which the caller has then.
bool take_plain(const Context* context, cl_mem_flags flags, size_t size, const void* host) {
  const bool copies = (flags & kCopies) != 0;
  return context != nullptr && flags_are_plain(flags) && size != 0 && copies == (host != nullptr) &&
         size <= (64u << 20) && Client::of(context).take_grant(size);
}

// What travels of the program's memory.
Payload payload_of(cl_mem_flags flags, size_t size, const void* host) {
  if (host == nullptr || (flags & kCopies) == 0) return {};
  return {{static_cast<const std::byte*>(host), size}, 0};
}

// What is too long for a call is written when the buffer is there.
cl_int write_later(Mem* mem, const void* host) {
  const auto context = handle_of<cl_context>(mem->context());
  cl_int code = CL_SUCCESS;
  cl_command_queue queue = client_clCreateCommandQueue(
      context, handle_of<cl_device_id>(mem->context()->devices.front()), 0, &code);
  if (code != CL_SUCCESS) return code;
  code = client_clEnqueueWriteBuffer(queue, handle_of<cl_mem>(mem), CL_TRUE, 0, mem->size, host, 0,
                                     nullptr, nullptr);
  client_table().clReleaseCommandQueue(queue);
  return code;
}

cl_mem create(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
              size_t size, void* host_ptr, cl_int* errcode_ret) {
  auto* mem = new Mem(take_id(get(context)), get(context), nullptr);
  mem->flags = flags;
  mem->size = size;
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) mem->host_ptr = host_ptr;
  // Without bytes, so that the driver finds what is wrong with them.
  const bool odd = ((flags & kCopies) == 0) != (host_ptr == nullptr);
  if (odd && get(context) != nullptr && flags_are_plain(flags & ~kCopies) && size != 0)
    return born<cl_mem>(mem, CL_INVALID_HOST_PTR, errcode_ret);
  const bool later = size > kMostCall && host_ptr != nullptr && (flags & kCopies) != 0;
  if (later) flags &= ~kCopies;
  const Payload payload = payload_of(flags, size, host_ptr);
  cl_int code = CL_SUCCESS;
  if (properties != nullptr) {
    code = wire_clCreateBufferWithProperties(Mode::kAsk, context, properties, flags, size, payload,
                                             mem->id);
  } else {
    mem->granted = take_plain(mem->context(), flags, size, host_ptr);
    const bool tell = mem->granted && payload.bytes.size() < kLongBytes;
    code = wire_clCreateBuffer(tell ? Mode::kTell : Mode::kAsk, context, flags, size, payload,
                               mem->id);
  }
  if (code == CL_SUCCESS && later) {
    code = write_later(mem, host_ptr);
    if (code != CL_SUCCESS) wire_clReleaseMemObject(Mode::kTell, handle_of<cl_mem>(mem));
  }
  if (code == CL_SUCCESS) Client::get().add_argument(mem);
  return born<cl_mem>(mem, code, errcode_ret);
}

}  // namespace

cl_mem CL_API_CALL client_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
                                         void* host_ptr, cl_int* errcode_ret) {
  return create(context, nullptr, flags, size, host_ptr, errcode_ret);
}

cl_mem CL_API_CALL client_clCreateBufferWithProperties(cl_context context,
                                                       const cl_mem_properties* properties,
                                                       cl_mem_flags flags, size_t size,
                                                       void* host_ptr, cl_int* errcode_ret) {
  return create(context, properties, flags, size, host_ptr, errcode_ret);
}

cl_mem CL_API_CALL client_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags,
                                            cl_buffer_create_type buffer_create_type,
                                            const void* buffer_create_info, cl_int* errcode_ret) {
  Mem* of = get(buffer);
  auto* mem = new Mem(take_id(of), of == nullptr ? nullptr : of->context(), of);
  cl_buffer_region region{};
  if (buffer_create_info != nullptr) memcpy(&region, buffer_create_info, sizeof region);
  const Payload info =
      buffer_create_info == nullptr ? Payload{} : Payload{std::as_bytes(std::span(&region, 1)), 0};
  const cl_int code =
      wire_clCreateSubBuffer(Mode::kAsk, buffer, flags, buffer_create_type, info, mem->id);
  if (code == CL_SUCCESS) {
    constexpr cl_mem_flags kAccess = CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;
    constexpr cl_mem_flags kHost =
        CL_MEM_HOST_NO_ACCESS | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY;
    mem->flags = flags;
    if ((flags & kAccess) == 0) mem->flags |= of->flags & kAccess;
    if ((flags & kHost) == 0) mem->flags |= of->flags & kHost;
    mem->flags |= of->flags & (kCopies | CL_MEM_ALLOC_HOST_PTR);
    mem->offset = region.origin;
    mem->size = region.size;
    if (of->host_ptr != nullptr) mem->host_ptr = static_cast<char*>(of->host_ptr) + region.origin;
    Client::get().add_argument(mem);
  }
  return born<cl_mem>(mem, code, errcode_ret);
}

cl_int CL_API_CALL client_clGetMemObjectInfo(cl_mem memobj, cl_mem_info param_name,
                                             size_t param_value_size, void* param_value,
                                             size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  Mem* mem = get(memobj);
  if (mem == nullptr) return CL_INVALID_MEM_OBJECT;
  switch (param_name) {
    case CL_MEM_CONTEXT:
      return place.give(handle_of<cl_context>(mem->context()));
    case CL_MEM_ASSOCIATED_MEMOBJECT:
      return place.give(handle_of<cl_mem>(mem->of()));
    case CL_MEM_HOST_PTR:
      return place.give(mem->host_ptr);
    case CL_MEM_FLAGS:
      if (mem->host_ptr == nullptr) break;
      return place.give(mem->flags);
    case CL_MEM_REFERENCE_COUNT:
      // The program's, and what was made of it. A driver's own, of commands, come and go.
      return place.give(cl_uint{mem->refs.load() + mem->holds.load() - 1});
    case CL_MEM_USES_SVM_POINTER:
      return place.give(cl_bool{CL_FALSE});
    default:
      break;
  }
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetMemObjectInfo(Mode::kAsk, memobj, param_name, room, value, size);
  };
  if (param_name == CL_MEM_MAP_COUNT)
    return ask(param_value_size, param_value, param_value_size_ret);
  return mem->infos.give({param_name, 0}, place, ask);
}

cl_int CL_API_CALL client_clSetMemObjectDestructorCallback(cl_mem memobj, MemNotify pfn_notify,
                                                           void* user_data) {
  Mem* mem = get(memobj);
  if (mem == nullptr) return CL_INVALID_MEM_OBJECT;
  if (pfn_notify == nullptr) return CL_INVALID_VALUE;
  base::MutexLock lock(mem->mutex);
  mem->ends.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
