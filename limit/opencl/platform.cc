// Platforms and devices: the vendors' own, filtered to the granted cards; memory sizes are the
// slice's.
#include <string.h>

#include <algorithm>
#include <string>

#include "limit/opencl/entries.h"
#include "limit/opencl/process.h"

namespace flexai::limit::opencl {
namespace {

template <typename Handle>
cl_int answer_list(const std::vector<Handle>& all, cl_int none, cl_uint room, Handle* out,
                   cl_uint* count) {
  if ((out == nullptr && count == nullptr) || (out != nullptr && room == 0))
    return CL_INVALID_VALUE;
  if (count != nullptr) *count = static_cast<cl_uint>(all.size());
  if (all.empty()) return none;
  if (out != nullptr) std::copy_n(all.begin(), std::min<size_t>(room, all.size()), out);
  return CL_SUCCESS;
}

cl_int answer_bytes(const void* data, size_t size, size_t room, void* out, size_t* size_ret) {
  if (out != nullptr) {
    if (room < size) return CL_INVALID_VALUE;
    memcpy(out, data, size);
  }
  if (size_ret != nullptr) *size_ret = size;
  return CL_SUCCESS;
}

// The driver's list of extensions without those whose functions we refuse.
cl_int extensions_answer(const Table& next, cl_device_id device, size_t room, void* out,
                         size_t* size_ret) {
  size_t size = 0;
  cl_int rc = next.clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, nullptr, &size);
  if (rc != CL_SUCCESS) return rc;
  std::string all(size, 0), kept;
  rc = next.clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, size, all.data(), nullptr);
  if (rc != CL_SUCCESS) return rc;
  all.resize(strnlen(all.data(), all.size()));
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find(' ', at), all.size());
    std::string name = all.substr(at, end - at);
    if (!name.empty() && !extension_hidden(name.c_str())) kept += (kept.empty() ? "" : " ") + name;
    at = end + 1;
  }
  return answer_bytes(kept.c_str(), kept.size() + 1, room, out, size_ret);
}

}  // namespace

cl_int CL_API_CALL limit_clGetPlatformIDs(cl_uint room, cl_platform_id* out, cl_uint* count) {
  constexpr cl_int kPlatformNotFound = -1001;  // CL_PLATFORM_NOT_FOUND_KHR
  return answer_list(Process::get().platforms(), kPlatformNotFound, room, out, count);
}

cl_int CL_API_CALL limit_clGetDeviceIDs(cl_platform_id platform, cl_device_type type, cl_uint room,
                                        cl_device_id* out, cl_uint* count) {
  Process& process = Process::get();
  cl_uint any = 0;
  cl_int rc = process.next().clGetDeviceIDs(platform, type, 0, nullptr, &any);
  if (rc != CL_SUCCESS && rc != CL_DEVICE_NOT_FOUND) return rc;
  std::vector<cl_device_id> granted = process.granted(platform, type);
  if (granted.empty() && type == CL_DEVICE_TYPE_DEFAULT) {
    granted = process.granted(
        platform, CL_DEVICE_TYPE_ALL);  // the driver's default may be somebody else's card
    if (granted.size() > 1) granted.erase(granted.begin() + 1, granted.end());
  }
  return answer_list(granted, CL_DEVICE_NOT_FOUND, room, out, count);
}

cl_int CL_API_CALL limit_clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t room,
                                         void* out, size_t* size_ret) {
  Process& process = Process::get();
  const Table& next = process.next();
  switch (what) {
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE: {
      Tenant* tenant = process.tenant_of(device);
      cl_ulong value = 0;
      if (tenant == nullptr || room < sizeof value || out == nullptr) break;
      cl_int rc = next.clGetDeviceInfo(device, what, sizeof value, &value, nullptr);
      if (rc != CL_SUCCESS) return rc;
      value = std::min<cl_ulong>(value, tenant->memory_limit());
      return answer_bytes(&value, sizeof value, room, out, size_ret);
    }
    case CL_DEVICE_EXTENSIONS:
      return extensions_answer(next, device, room, out, size_ret);
    default:
      break;
  }
  return next.clGetDeviceInfo(device, what, room, out, size_ret);
}

cl_context CL_API_CALL limit_clCreateContext(const cl_context_properties* properties, cl_uint count,
                                             const cl_device_id* devices, ContextNotify notify,
                                             void* user, cl_int* error) {
  Process& process = Process::get();
  if (devices != nullptr)
    for (cl_uint i = 0; i < count; ++i)
      if (devices[i] != nullptr && process.tenant_of(devices[i]) == nullptr) {
        if (error != nullptr) *error = CL_INVALID_DEVICE;
        return nullptr;
      }
  return process.next().clCreateContext(properties, count, devices, notify, user, error);
}

// The driver would take every card of that type, so the list is made here.
cl_context CL_API_CALL limit_clCreateContextFromType(const cl_context_properties* properties,
                                                     cl_device_type type, ContextNotify notify,
                                                     void* user, cl_int* error) {
  Process& process = Process::get();
  cl_platform_id platform = nullptr;
  for (const cl_context_properties* p = properties; p != nullptr && *p != 0; p += 2)
    if (*p == CL_CONTEXT_PLATFORM) platform = reinterpret_cast<cl_platform_id>(p[1]);
  std::vector<cl_platform_id> platforms = process.platforms();
  if (platform == nullptr && !platforms.empty()) platform = platforms.front();
  if (platform == nullptr ||
      std::find(platforms.begin(), platforms.end(), platform) == platforms.end()) {
    if (error != nullptr) *error = CL_INVALID_PLATFORM;
    return nullptr;
  }
  cl_uint count = 0;
  cl_int rc = limit_clGetDeviceIDs(platform, type, 0, nullptr, &count);
  std::vector<cl_device_id> devices(count);
  if (rc == CL_SUCCESS) rc = limit_clGetDeviceIDs(platform, type, count, devices.data(), nullptr);
  if (rc != CL_SUCCESS) {
    if (error != nullptr) *error = rc;
    return nullptr;
  }
  return process.next().clCreateContext(properties, count, devices.data(), notify, user, error);
}

}  // namespace flexai::limit::opencl
