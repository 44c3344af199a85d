// libflexai_opencl_layer.so: the limiting Layer behind the Khronos layer interface (OPENCL_LAYERS).
// The loader calls clGetLayerInfo, then clInitLayer with the Table to call into, and from then on
// calls the Table we return. Threads: the loader initialises once. Nothing runs before that: no
// constructor.
#include <CL/cl_layer.h>
#include <string.h>

#include "limit/opencl/entries.h"
#include "limit/opencl/process.h"

namespace {

constexpr char kName[] = "flexai";

cl_icd_dispatch* wrapped_dispatch(cl_uint entries, const cl_icd_dispatch* target) {
  using namespace flexai;
  auto* table = new driver::opencl::Table(driver::opencl::table_from_dispatch(target, entries));
  limit::opencl::Process::get().set_next(*table);
  return new cl_icd_dispatch(driver::opencl::dispatch_from_table(limit::opencl::wrap(*table)));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) cl_int CL_API_CALL
clGetLayerInfo(cl_layer_info what, size_t room, void* out, size_t* size_ret) {
  const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  const void* data = nullptr;
  size_t size = 0;
  if (what == CL_LAYER_API_VERSION) {
    data = &version;
    size = sizeof version;
  } else if (what == CL_LAYER_NAME) {
    data = kName;
    size = sizeof kName;
  } else {
    return CL_INVALID_VALUE;
  }
  if (out != nullptr) {
    if (room < size) return CL_INVALID_VALUE;
    memcpy(out, data, size);
  }
  if (size_ret != nullptr) *size_ret = size;
  return CL_SUCCESS;
}

extern "C" __attribute__((visibility("default"))) cl_int CL_API_CALL
clInitLayer(cl_uint entries, const cl_icd_dispatch* target, cl_uint* entries_out,
            const cl_icd_dispatch** layer) {
  if (target == nullptr || entries_out == nullptr || layer == nullptr) return CL_INVALID_VALUE;
  static cl_icd_dispatch* dispatch = wrapped_dispatch(entries, target);
  *layer = dispatch;
  *entries_out = static_cast<cl_uint>(sizeof(cl_icd_dispatch) / sizeof(void*));
  return CL_SUCCESS;
}
