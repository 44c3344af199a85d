// Buffers, and what memory objects say of themselves.
#include <cstring>
#include <new>

#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/moves.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

constexpr cl_mem_flags kCopies = CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR;
constexpr cl_mem_flags kAccess = CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY;
constexpr size_t kCertain = 64u << 20;  // every device makes buffers of that size

// Nothing a driver could refuse but for want of memory.
bool is_plain(cl_mem_flags flags) {
  const cl_mem_flags access = flags & kAccess;
  return (flags & ~(kAccess | CL_MEM_COPY_HOST_PTR | CL_MEM_ALLOC_HOST_PTR)) == 0 &&
         (access & (access - 1)) == 0;
}

bool fits_somewhere(const WideContext& context, size_t size) {
  if (size <= kCertain) return true;
  for (const cl_device_id device : context.devices) {
    cl_ulong most = 0;
    below().clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most, &most, nullptr);
    if (size <= most) return true;
  }
  return false;
}

// Made at once where the driver has to say whether it may be; on every host when it is the
// program's own memory.
cl_int make_now(WideMem* mem, bool everywhere) {
  WideContext* context = mem->context();
  cl_int code = CL_SUCCESS;
  base::MutexLock lock(context->mutex);
  for (Place host = 0; code == CL_SUCCESS && host < (everywhere ? context->hosts.size() : 1);
       ++host)
    real_of(mem, host, &code);
  return code;
}

cl_mem create(cl_context handle, const cl_mem_properties* properties, cl_mem_flags flags,
              size_t size, void* host_ptr, cl_int* errcode_ret) {
  auto* context = wide<WideContext>(handle);
  if (context == nullptr) return given<cl_mem, WideMem>(nullptr, CL_INVALID_CONTEXT, errcode_ret);
  auto* mem = new WideMem(context, nullptr);
  mem->flags = flags;
  mem->size = size;
  for (const auto* each = properties; each != nullptr && *each != 0; each += 2)
    mem->properties.insert(mem->properties.end(), {each[0], each[1]});
  if (!mem->properties.empty()) mem->properties.push_back(0);
  mem->ranges = std::make_unique<Ranges>(size);
  const bool uses = (flags & CL_MEM_USE_HOST_PTR) != 0;
  if (uses) mem->host_ptr = host_ptr;
  cl_int code = CL_SUCCESS;
  if (((flags & kCopies) == 0) != (host_ptr == nullptr)) {
    code = CL_INVALID_HOST_PTR;
  } else if (const auto closed = flags & kHostAccess; (closed & (closed - 1)) != 0) {
    code = CL_INVALID_VALUE;
  } else if (uses || !is_plain(flags) || size == 0 || properties != nullptr) {
    code = make_now(mem, uses);
  } else if (!fits_somewhere(*context, size)) {
    code = CL_INVALID_BUFFER_SIZE;
  }
  if (code == CL_SUCCESS && host_ptr != nullptr && !uses) {
    const auto* bytes = static_cast<const std::byte*>(host_ptr);
    base::MutexLock lock(context->mutex);
    try {
      mem->given = std::make_shared<std::vector<std::byte>>(bytes, bytes + size);
      mem->ranges->written(0, size, kProgram, nullptr);
    } catch (const std::bad_alloc&) {
      code = CL_OUT_OF_HOST_MEMORY;
    }
  }
  if ((mem->flags & kAccess) == 0) mem->flags |= CL_MEM_READ_WRITE;
  return given<cl_mem>(mem, code, errcode_ret);
}

cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                 void* host_ptr, cl_int* code) {
  return create(context, nullptr, flags, size, host_ptr, code);
}

cl_mem CL_API_CALL create_with_properties(cl_context context, const cl_mem_properties* properties,
                                          cl_mem_flags flags, size_t size, void* host_ptr,
                                          cl_int* code) {
  return create(context, properties, flags, size, host_ptr, code);
}

// On a host that has the whole, else on the first.
cl_mem CL_API_CALL create_sub_buffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type,
                                     const void* info, cl_int* errcode_ret) {
  auto* of = wide<WideMem>(buffer);
  if (of == nullptr || of->of() != nullptr || of->type != CL_MEM_OBJECT_BUFFER)
    return given<cl_mem, WideMem>(nullptr, CL_INVALID_MEM_OBJECT, errcode_ret);
  if (type != CL_BUFFER_CREATE_TYPE_REGION || info == nullptr)
    return given<cl_mem, WideMem>(nullptr, CL_INVALID_VALUE, errcode_ret);
  auto* mem = new WideMem(of->context(), of);
  cl_buffer_region region{};
  std::memcpy(&region, info, sizeof region);
  mem->flags = flags;
  mem->offset = region.origin;
  mem->size = region.size;
  // As the driver thinks of its flags, which are more than its copies need.
  constexpr cl_mem_flags kKnown = kAccess | kHostAccess;
  const cl_mem_flags closed = flags & kHostAccess, theirs = of->flags & kHostAccess;
  cl_int code =
      (flags & ~kKnown) != 0 || (closed & (closed - 1)) != 0 ||
              (closed != 0 && theirs != 0 && closed != theirs && closed != CL_MEM_HOST_NO_ACCESS)
          ? CL_INVALID_VALUE
          : CL_SUCCESS;
  if (code == CL_SUCCESS) {
    base::MutexLock lock(of->context()->mutex);
    Place host = 0;
    while (host < of->reals.size() && of->reals[host] == nullptr) ++host;
    real_of(mem, host == of->reals.size() ? 0 : host, &code);
  }
  if ((flags & kAccess) == 0) mem->flags |= of->flags & kAccess;
  if ((flags & kHostAccess) == 0) mem->flags |= of->flags & kHostAccess;
  if (of->host_ptr != nullptr) mem->host_ptr = static_cast<char*>(of->host_ptr) + region.origin;
  return given<cl_mem>(mem, code, errcode_ret);
}

cl_int CL_API_CALL retain(cl_mem mem) { return retain_wide<WideMem>(mem, CL_INVALID_MEM_OBJECT); }
cl_int CL_API_CALL release(cl_mem mem) { return release_wide<WideMem>(mem, CL_INVALID_MEM_OBJECT); }

cl_int CL_API_CALL get_info(cl_mem handle, cl_mem_info name, size_t room, void* value,
                            size_t* size) {
  auto* mem = wide<WideMem>(handle);
  if (mem == nullptr) return CL_INVALID_MEM_OBJECT;
  const InfoPlace place{room, value, size};
  switch (name) {
    case CL_MEM_TYPE:
      return place.give(mem->type);
    case CL_MEM_FLAGS:
      return place.give(mem->flags);
    case CL_MEM_SIZE:
      return place.give(mem->size);
    case CL_MEM_HOST_PTR:
      return place.give(mem->host_ptr);
    case CL_MEM_MAP_COUNT: {
      base::MutexLock lock(mem->context()->mutex);
      return place.give(static_cast<cl_uint>(mem->maps.size()));
    }
    case CL_MEM_REFERENCE_COUNT:
      return place.give(cl_uint{mem->refs.load() + mem->holds.load() - 1});
    case CL_MEM_CONTEXT:
      return place.give(handle_of<cl_context>(mem->context()));
    case CL_MEM_ASSOCIATED_MEMOBJECT:
      return place.give(handle_of<cl_mem>(mem->of()));
    case CL_MEM_OFFSET:
      return place.give(mem->offset);
    case CL_MEM_USES_SVM_POINTER:
      return place.give(cl_bool{CL_FALSE});
    case CL_MEM_PROPERTIES:
      return place.give_row(mem->properties);
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int CL_API_CALL set_destructor(cl_mem handle, MemNotify notify, void* user_data) {
  auto* mem = wide<WideMem>(handle);
  if (mem == nullptr) return CL_INVALID_MEM_OBJECT;
  if (notify == nullptr) return CL_INVALID_VALUE;
  base::MutexLock lock(mem->context()->mutex);
  mem->ends.emplace_back(notify, user_data);
  return CL_SUCCESS;
}

cl_mem CL_API_CALL create_pipe(cl_context, cl_mem_flags, cl_uint, cl_uint,
                               const cl_pipe_properties*, cl_int* errcode_ret) {
  return given<cl_mem, WideMem>(nullptr, CL_INVALID_OPERATION, errcode_ret);
}

}  // namespace

void add_memory(Table& table) {
  table.clCreateBuffer = create_buffer;
  table.clCreateBufferWithProperties = create_with_properties;
  table.clCreateSubBuffer = create_sub_buffer;
  table.clCreatePipe = create_pipe;
  table.clRetainMemObject = retain;
  table.clReleaseMemObject = release;
  table.clGetMemObjectInfo = get_info;
  table.clSetMemObjectDestructorCallback = set_destructor;
}

}  // namespace flexai::remote::opencl::wide
