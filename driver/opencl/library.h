// A vendor's OpenCL library as a Table.
#pragma once

#include "driver/opencl/table.h"

namespace flexai::driver::opencl {

// The dispatch table of the library's first platform, as far as the platform's version says that it
// reaches (cl_khr_icd: clIcdGetPlatformIDsKHR by name or through clGetExtensionFunctionAddress);
// for a library that is no ICD, what it exports by name. `dlopen_handle` must stay open as long as
// the Table is used. clGetPlatformIDs is null when the library is no OpenCL driver. Runs the
// driver's own start-up code, which may crash or hang: see apps/flexai-probe-opencl.
Table table_from_library(void* dlopen_handle);

}  // namespace flexai::driver::opencl
