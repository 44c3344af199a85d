#include "apps/probe_opencl.h"

#include <algorithm>

#include "driver/opencl/identity.h"
#include "driver/opencl/vendor.h"

namespace flexai::apps {
namespace {

using namespace driver::opencl;  // NOLINT: this file is about nothing else

const char* kind_of(cl_device_type type) {
  if (type & CL_DEVICE_TYPE_GPU) return "gpu";
  if (type & CL_DEVICE_TYPE_CPU) return "cpu";
  return "accelerator";
}

model::Device describe(const Vendor& vendor, cl_platform_id platform, cl_device_id id) {
  const Table& table = vendor.table;
  model::Device device;
  device.id = vendor.prefix;
  device.key = device_key(table, platform, id);
  device.api = "opencl";
  device.platform = platform_text(table, platform, CL_PLATFORM_NAME);
  device.vendor = device_text(table, id, CL_DEVICE_VENDOR);
  device.model = device_text(table, id, CL_DEVICE_NAME);
  device.driver_version = device_text(table, id, CL_DRIVER_VERSION);
  device.kind = kind_of(device_value<cl_device_type>(table, id, CL_DEVICE_TYPE, 0));
  device.memory_bytes = device_value<cl_ulong>(table, id, CL_DEVICE_GLOBAL_MEM_SIZE, 0);
  device.compute_units = device_value<cl_uint>(table, id, CL_DEVICE_MAX_COMPUTE_UNITS, 0);
  device.pci = pci_address(table, id);
  device.copy_engine = has_copy_engine(table, id);
  device.driver_files = vendor.files;
  if (device_value<cl_bool>(table, id, CL_DEVICE_AVAILABLE, CL_TRUE) == CL_FALSE) {
    device.healthy = false;
    device.health = "the driver says that the card is not available";
  } else if (device.key.empty() || device.memory_bytes == 0) {
    device.healthy = false;
    device.health = "the driver does not answer queries about the card";
  }
  return device;
}

std::vector<cl_device_id> devices_of(const Table& table, cl_platform_id platform) {
  cl_uint count = 0;
  if (table.clGetDeviceIDs == nullptr ||
      table.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS)
    return {};
  std::vector<cl_device_id> devices(count);
  if (count == 0 || table.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(),
                                         nullptr) != CL_SUCCESS)
    return {};
  return devices;
}

}  // namespace

base::Result<std::vector<model::Device>> probe_opencl(const std::string& icd_file) {
  FLEXAI_TRY_ASSIGN(const Vendor vendor, load_vendor(icd_file));
  cl_uint count = 0;
  if (vendor.table.clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS) count = 0;
  std::vector<cl_platform_id> platforms(count);
  if (count > 0 && vendor.table.clGetPlatformIDs(count, platforms.data(), nullptr) != CL_SUCCESS)
    return base::fail(base::Code::kUnavailable,
                      icd_file + ": the driver does not list its platforms");
  std::vector<model::Device> devices;
  for (const cl_platform_id platform : platforms)
    for (const cl_device_id id : devices_of(vendor.table, platform))
      devices.push_back(describe(vendor, platform, id));
  return devices;
}

}  // namespace flexai::apps
