// libflexai_opencl_layer.so: the limiting Layer behind the Khronos layer interface (OPENCL_LAYERS).
// The loader calls clGetLayerInfo, then clInitLayer with the Table to call into, and from then on
// calls the Table we return. Threads: the loader initialises once. Nothing runs before that: no
// constructor. FLEXAI_TRACE=1 or =FILE prints every call of the program, as the program sees it
// (outside of the limits), to standard error or at the end of FILE.
#include <CL/cl_layer.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <string>

#include "driver/opencl/trace.h"
#include "limit/opencl/entries.h"
#include "limit/opencl/process.h"

namespace {

constexpr char kName[] = "flexai";

// Where calls are printed; -1 nowhere. A descriptor of our own, because the program may close its
// standard error, and a high one, because programs close and use low ones.
int trace_target() {
  const char* where = secure_getenv("FLEXAI_TRACE");
  if (where == nullptr || *where == 0 || strcmp(where, "0") == 0) return -1;
  const bool to_stderr = strcmp(where, "1") == 0;
  const int opened =
      to_stderr ? STDERR_FILENO : open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int fd = fcntl(opened, F_DUPFD_CLOEXEC, 900);
  if (fd < 0 && opened >= 0) fd = fcntl(opened, F_DUPFD_CLOEXEC, 3);  // few are allowed
  if (fd < 0)
    flexai::limit::opencl::Process::get().say(std::string("flexai: FLEXAI_TRACE=") + where +
                                              " cannot be written; calls are not printed");
  if (!to_stderr && opened >= 0) close(opened);
  return fd;
}

cl_icd_dispatch* wrapped_dispatch(cl_uint entries, const cl_icd_dispatch* target) {
  using namespace flexai;
  auto* table = new driver::opencl::Table(driver::opencl::table_from_dispatch(target, entries));
  limit::opencl::Process::get().set_next(*table);
  driver::opencl::Table limited = limit::opencl::wrap(*table);
  if (const int fd = trace_target(); fd >= 0) limited = driver::opencl::trace(limited, fd);
  return new cl_icd_dispatch(driver::opencl::dispatch_from_table(limited));
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
