// Prints the keys of all cards as a program (or a layer) sees them through the ICD loader.
#include <dlfcn.h>

#include <cstdio>
#include <vector>

#include "driver/opencl/identity.h"

int main() {
  using namespace flexai::driver::opencl;  // NOLINT
  void* loader = dlopen("libOpenCL.so.1", RTLD_NOW);
  if (loader == nullptr) return 1;
  const Table table = table_by_name(loader);
  cl_uint count = 0;
  table.clGetPlatformIDs(0, nullptr, &count);
  std::vector<cl_platform_id> platforms(count);
  if (count > 0) table.clGetPlatformIDs(count, platforms.data(), nullptr);
  for (const cl_platform_id platform : platforms) {
    cl_device_id devices[64];
    cl_uint found = 0;
    if (table.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 64, devices, &found) != CL_SUCCESS)
      continue;
    for (cl_uint i = 0; i < found && i < 64; ++i)
      std::puts(device_key(table, platform, devices[i]).c_str());
  }
  return 0;
}
