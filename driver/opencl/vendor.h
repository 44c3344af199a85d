// The vendors' OpenCL drivers of this host: the .icd files a loader would read, and loading one.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "driver/opencl/table.h"

namespace flexai::driver::opencl {

// The .icd files, sorted: of OCL_ICD_VENDORS (a folder, one .icd file or a library), else of
// OPENCL_VENDOR_PATH (a folder), else of /etc/OpenCL/vendors. A folder that is not there has none.
std::vector<std::string> icd_files();

struct Vendor {
  Table table;
  std::string library;  // real path, as /proc/PID/maps shows it
  std::string prefix;   // short name for ids, from the library's: "pocl", "nvidia"
  // `library` and the libraries of the same vendor that came with it.
  std::vector<std::string> files;
};

// Loads the library that the .icd file `path` names (or `path` itself, when it is a library), for
// the rest of the process's life: drivers start threads and cannot be unloaded. Runs vendor code.
base::Result<Vendor> load_vendor(const std::string& path);

// "libRusticlOpenCL.so.1" -> "rusticl"; "opencl" when nothing is left.
std::string vendor_prefix(const std::string& library);

}  // namespace flexai::driver::opencl
