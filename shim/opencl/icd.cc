// libflexai_opencl.so: our own ICD (cl_khr_icd), for programs whose card is elsewhere: behind a
// worker on this host or another one. A loader finds it by OCL_ICD_VENDORS and asks for its
// platforms; every object it hands out begins with the dispatch table made here. Threads: any.
// Nothing runs before the first call: no constructor. FLEXAI_TRACE as in the layer is not here.
#include <CL/cl_icd.h>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/by_name.h"
#include "remote/opencl/client/object.h"

#define FLEXAI_EXPORT extern "C" __attribute__((visibility("default")))

FLEXAI_EXPORT cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint, cl_platform_id*, cl_uint*);

namespace {

using flexai::remote::opencl::Table;

const Table& table() {
  static const Table* const made = [] {
    auto* table = new Table(flexai::remote::opencl::client_table());
    flexai::remote::opencl::set_dispatch(
        new cl_icd_dispatch(flexai::driver::opencl::dispatch_from_table(*table)));
    flexai::remote::opencl::set_icd_function(reinterpret_cast<void*>(&clIcdGetPlatformIDsKHR));
    return table;
  }();
  return *made;
}

}  // namespace

FLEXAI_EXPORT cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint num_entries,
                                                        cl_platform_id* platforms,
                                                        cl_uint* num_platforms) {
  return table().clGetPlatformIDs(num_entries, platforms, num_platforms);
}

FLEXAI_EXPORT void* CL_API_CALL clGetExtensionFunctionAddress(const char* name) {
  return table().clGetExtensionFunctionAddress(name);
}

FLEXAI_EXPORT cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id platform,
                                                   cl_platform_info param_name,
                                                   size_t param_value_size, void* param_value,
                                                   size_t* param_value_size_ret) {
  return table().clGetPlatformInfo(platform, param_name, param_value_size, param_value,
                                   param_value_size_ret);
}
