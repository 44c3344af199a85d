#include "driver/opencl/library.h"

#include <dlfcn.h>

#include <cstdio>

namespace flexai::driver::opencl {
namespace {

using GetAddress = void*(CL_API_CALL*)(const char*);
using GetPlatforms = decltype(Table::clIcdGetPlatformIDsKHR);

// Every dispatchable object starts with a pointer to its driver's dispatch table (cl_khr_icd).
const cl_icd_dispatch* dispatch_of(cl_platform_id platform) {
  return *reinterpret_cast<const cl_icd_dispatch* const*>(platform);
}

// A driver of an early version has a shorter table: nothing beyond its end may be read.
cl_uint entries_of(const cl_icd_dispatch* dispatch, cl_platform_id platform) {
  if (dispatch == nullptr || dispatch->clGetPlatformInfo == nullptr) return 0;
  char version[128] = {};
  unsigned major = 1, minor = 0;
  if (dispatch->clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof(version) - 1, version,
                                  nullptr) != CL_SUCCESS ||
      std::sscanf(version, "OpenCL %u.%u", &major, &minor) != 2)
    return dispatch_entries(1, 0);
  return dispatch_entries(major, minor);
}

}  // namespace

Table table_from_library(void* dlopen_handle) {
  if (dlopen_handle == nullptr) return {};
  auto get_platforms =
      reinterpret_cast<GetPlatforms>(dlsym(dlopen_handle, "clIcdGetPlatformIDsKHR"));
  const auto get_address =
      reinterpret_cast<GetAddress>(dlsym(dlopen_handle, "clGetExtensionFunctionAddress"));
  if (get_platforms == nullptr && get_address != nullptr)
    get_platforms = reinterpret_cast<GetPlatforms>(get_address("clIcdGetPlatformIDsKHR"));
  if (get_platforms == nullptr) return table_by_name(dlopen_handle);

  Table table;
  cl_platform_id platform = nullptr;
  if (get_platforms(1, &platform, nullptr) == CL_SUCCESS && platform != nullptr) {
    const cl_icd_dispatch* dispatch = dispatch_of(platform);
    table = table_from_dispatch(dispatch, entries_of(dispatch, platform));
  }
  // An ICD's own clGetPlatformIDs slot may be empty: a loader never calls it.
  table.clGetPlatformIDs = get_platforms;
  table.clIcdGetPlatformIDsKHR = get_platforms;
  if (table.clGetExtensionFunctionAddress == nullptr)
    table.clGetExtensionFunctionAddress = get_address;
  return table;
}

}  // namespace flexai::driver::opencl
