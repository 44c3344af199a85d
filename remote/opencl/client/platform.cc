// The one platform, "Flexai", its cards and its functions by name.
#include <algorithm>
#include <cstring>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/by_name.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"

namespace flexai::remote::opencl {

cl_int CL_API_CALL client_clGetPlatformIDs(cl_uint num_entries, cl_platform_id* platforms,
                                           cl_uint* num_platforms) {
  if ((platforms == nullptr && num_platforms == nullptr) ||
      (platforms == nullptr) != (num_entries == 0))
    return CL_INVALID_VALUE;
  // Without a card there is no platform: a loader goes on with the others.
  if (!Client::all_there()) return CL_PLATFORM_NOT_FOUND_KHR;
  if (platforms != nullptr) platforms[0] = handle_of<cl_platform_id>(Client::get().platform());
  if (num_platforms != nullptr) *num_platforms = 1;
  return CL_SUCCESS;
}

cl_int CL_API_CALL client_clGetPlatformInfo(cl_platform_id platform, cl_platform_info param_name,
                                            size_t param_value_size, void* param_value,
                                            size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  if (get(platform) == nullptr) return CL_INVALID_PLATFORM;
  switch (param_name) {
    case CL_PLATFORM_PROFILE:
      return place.give_text("FULL_PROFILE");
    case CL_PLATFORM_VERSION:
      return place.give_text("OpenCL 3.0 Flexai");
    case CL_PLATFORM_NUMERIC_VERSION:
      return place.give(cl_version{CL_MAKE_VERSION(3, 0, 0)});
    case CL_PLATFORM_NAME:
    case CL_PLATFORM_VENDOR:
      return place.give_text("Flexai");
    case CL_PLATFORM_EXTENSIONS:
      return place.give_text("cl_khr_icd");
    case CL_PLATFORM_EXTENSIONS_WITH_VERSION:
      return place.give(cl_name_version{CL_MAKE_VERSION(1, 0, 0), "cl_khr_icd"});
    case CL_PLATFORM_ICD_SUFFIX_KHR:
      return place.give_text("FLEXAI");
    case CL_PLATFORM_HOST_TIMER_RESOLUTION:
      return place.give(cl_ulong{0});  // none: the driver's host is another one
    default:
      return CL_INVALID_VALUE;
  }
}

namespace {

bool is_of(const Device* device, cl_device_type type) {
  if (type == CL_DEVICE_TYPE_ALL) return device->type != CL_DEVICE_TYPE_CUSTOM;
  return (device->type & type & ~cl_device_type{CL_DEVICE_TYPE_DEFAULT}) != 0;
}

}  // namespace

std::vector<Device*> devices_of(cl_device_type type) {
  std::vector<Device*> found;
  bool first = true;  // the default one
  for (Client* client : Client::all()) {
    for (Device* device : client->devices()) {
      if (is_of(device, type) || (type == CL_DEVICE_TYPE_DEFAULT && first)) found.push_back(device);
      first = false;
    }
  }
  return found;
}

cl_int CL_API_CALL client_clGetDeviceIDs(cl_platform_id platform, cl_device_type device_type,
                                         cl_uint num_entries, cl_device_id* devices,
                                         cl_uint* num_devices) {
  if (get(platform) == nullptr) return CL_INVALID_PLATFORM;
  if ((devices == nullptr && num_devices == nullptr) || (devices != nullptr && num_entries == 0))
    return CL_INVALID_VALUE;
  constexpr cl_device_type kKnown = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU |
                                    CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR |
                                    CL_DEVICE_TYPE_CUSTOM;
  const bool odd_type =
      device_type != CL_DEVICE_TYPE_ALL && ((device_type & ~kKnown) != 0 || device_type == 0);
  // So is a number of entries without a place for them: the driver has its own word for both.
  const cl_uint no_place = devices == nullptr ? num_entries : 0;
  if (odd_type || no_place != 0) {
    const cl_int code = wire_clGetDeviceIDs(Mode::kAsk, device_type, no_place, nullptr, nullptr);
    if (code != CL_SUCCESS && no_place != 0 && num_devices != nullptr)
      *num_devices = static_cast<cl_uint>(devices_of(device_type).size());
    if (code != CL_SUCCESS) return code;
  }
  const auto found = devices_of(device_type);
  if (found.empty()) return CL_DEVICE_NOT_FOUND;
  for (size_t i = 0; devices != nullptr && i < found.size() && i < num_entries; ++i)
    devices[i] = handle_of<cl_device_id>(found[i]);
  if (num_devices != nullptr) *num_devices = static_cast<cl_uint>(found.size());
  return CL_SUCCESS;
}

namespace {
void* g_icd_function = nullptr;
}

void set_icd_function(void* function) { g_icd_function = function; }

void* CL_API_CALL client_clGetExtensionFunctionAddress(const char* func_name) {
  if (func_name == nullptr) return nullptr;
  if (std::strcmp(func_name, "clIcdGetPlatformIDsKHR") == 0) return g_icd_function;
  return function_named(func_name);
}

void* CL_API_CALL client_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                                                  const char* func_name) {
  return get(platform) == nullptr ? nullptr : client_clGetExtensionFunctionAddress(func_name);
}

cl_int CL_API_CALL client_clUnloadCompiler() { return CL_SUCCESS; }

cl_int CL_API_CALL client_clUnloadPlatformCompiler(cl_platform_id platform) {
  return get(platform) == nullptr ? CL_INVALID_PLATFORM : CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
