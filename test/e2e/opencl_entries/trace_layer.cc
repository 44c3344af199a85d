// A layer for tests that only traces, to the descriptor that FLEXAI_TEST_TRACE_FD names: programs
// must not notice it, and its lines tell which entries they reached.
#include <CL/cl_layer.h>

#include <cstdlib>
#include <cstring>

#include "driver/opencl/trace.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void* out,
                                         size_t* size_ret) {
  const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  if (what != CL_LAYER_API_VERSION || (out != nullptr && size < sizeof(version)))
    return CL_INVALID_VALUE;
  if (out != nullptr) std::memcpy(out, &version, sizeof(version));
  if (size_ret != nullptr) *size_ret = sizeof(version);
  return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch* target,
                                      cl_uint* entries_ret, const cl_icd_dispatch** layer) {
  using namespace flexai::driver::opencl;  // NOLINT
  const char* fd = std::getenv("FLEXAI_TEST_TRACE_FD");
  if (fd == nullptr) return CL_INVALID_VALUE;
  static const cl_icd_dispatch dispatch =
      dispatch_from_table(trace(table_from_dispatch(target, entries), std::atoi(fd)));
  *layer = &dispatch;
  *entries_ret = kDispatchEntries;
  return CL_SUCCESS;
}
