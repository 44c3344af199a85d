#include "remote/opencl/worker/granted.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <algorithm>

#include "driver/opencl/vendor.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

std::vector<cl_device_id> devices_of(const Table& driver, cl_platform_id platform) {
  cl_uint count = 0;
  if (driver.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS)
    return {};
  std::vector<cl_device_id> devices(count);
  if (driver.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr) !=
      CL_SUCCESS)
    return {};
  return devices;
}

base::Result<Table> open_driver(const std::string& icd) {
  if (!icd.empty()) {
    FLEXAI_TRY_ASSIGN(auto vendor, driver::opencl::load_vendor(icd));
    return vendor.table;
  }
  void* loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (loader == nullptr)
    return fail(Code::kNotFound, "libOpenCL.so.1, the OpenCL loader, is not on this host");
  return driver::opencl::table_by_name(loader);
}

// The loader goes on without a layer that it cannot load, and nothing would hold the slice to its
// share then.
base::Status check_layers() {
  const char* named = ::getenv("OPENCL_LAYERS");
  const std::string layers = named != nullptr ? named : "";
  for (size_t at = 0; at < layers.size();) {
    const size_t end = std::min(layers.find(':', at), layers.size());
    const std::string layer = layers.substr(at, end - at);
    at = end + 1;
    if (layer.empty()) continue;
    if (void* there = ::dlopen(layer.c_str(), RTLD_LAZY | RTLD_NOLOAD); there != nullptr) {
      ::dlclose(there);
      continue;
    }
    const bool loads = ::dlopen(layer.c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr;
    const char* why = loads ? "it has no use for it" : ::dlerror();
    return fail(Code::kUnavailable, "the OpenCL loader did not load the layer " + layer + ": " +
                                        (why != nullptr ? why : "no reason given"));
  }
  return {};
}

}  // namespace

base::Result<Granted> grant(const std::string& icd) {
  FLEXAI_TRY_ASSIGN(const Table driver, open_driver(icd));
  cl_uint count = 0;
  if (driver.clGetPlatformIDs == nullptr ||
      driver.clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS)
    count = 0;
  std::vector<cl_platform_id> platforms(count);
  if (count != 0 && driver.clGetPlatformIDs(count, platforms.data(), nullptr) != CL_SUCCESS)
    platforms.clear();
  if (icd.empty()) {
    FLEXAI_TRY(check_layers());
  }
  for (cl_platform_id platform : platforms) {
    Granted granted{driver, platform, devices_of(driver, platform)};
    if (granted.devices.empty()) continue;
    driver::opencl::load_extensions(&granted.table, platform);
    return granted;
  }
  return fail(Code::kNotFound, "no OpenCL card here");
}

}  // namespace flexai::remote::opencl
