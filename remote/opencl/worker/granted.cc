#include "remote/opencl/worker/granted.h"

#include <stdlib.h>

#include "driver/opencl/vendor.h"
#include "limit/attach.h"
#include "limit/opencl/entries.h"
#include "limit/opencl/process.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

base::Result<Granted> grant_slice(const Table& driver) {
  auto& process = limit::opencl::Process::get();
  process.set_next(driver);
  const auto platforms = process.platforms();
  if (platforms.empty()) return fail(Code::kNotFound, "the slice has no card of this driver");
  Granted granted{limit::opencl::wrap(process.next()), platforms[0], {}};
  granted.devices = process.granted(platforms[0], CL_DEVICE_TYPE_ALL);
  return granted;
}

base::Result<Granted> grant_all(const Table& driver) {
  Granted granted{driver, nullptr, {}};
  cl_uint count = 0;
  if (driver.clGetPlatformIDs(1, &granted.platform, nullptr) != CL_SUCCESS ||
      driver.clGetDeviceIDs(granted.platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS)
    return fail(Code::kNotFound, "the driver has no card");
  granted.devices.resize(count);
  if (driver.clGetDeviceIDs(granted.platform, CL_DEVICE_TYPE_ALL, count, granted.devices.data(),
                            nullptr) != CL_SUCCESS)
    return fail(Code::kNotFound, "the driver has no card");
  driver::opencl::load_extensions(&granted.table, granted.platform);
  return granted;
}

}  // namespace

base::Result<Granted> grant(const std::string& icd) {
  std::string file = icd;
  if (file.empty()) {
    const auto files = driver::opencl::icd_files();
    if (files.empty()) return fail(Code::kNotFound, "no OpenCL driver on this host");
    file = files[0];
  }
  FLEXAI_TRY_ASSIGN(auto vendor, driver::opencl::load_vendor(file));
  if (getenv(limit::kEnvGrant) != nullptr) return grant_slice(vendor.table);
  return grant_all(vendor.table);
}

}  // namespace flexai::remote::opencl
