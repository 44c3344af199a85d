// What devices say of themselves, as far as a program at the other end of a wire may rely on it.
#include <string>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/client/references.h"

namespace flexai::remote::opencl {
namespace {

// Extensions that share memory or synchronisation with what is not there, or that no call of ours
// carries.
bool is_hidden(const std::string& name) {
  for (const char* word : {"_gl_", "egl", "d3d", "dx9", "external", "import", "svm", "fission",
                           "semaphore", "il_program", "spirv"})
    if (name.find(word) != std::string::npos) return true;
  return name.rfind("cl_khr_", 0) != 0 && name != "cl_pocl_content_size";
}

// As the driver writes it, when nothing is hidden.
std::string visible(const std::string& all) {
  std::string kept;
  bool hides = false;
  for (size_t at = 0; at < all.size();) {
    size_t end = all.find(' ', at);
    if (end == std::string::npos) end = all.size();
    const std::string name = all.substr(at, end - at);
    const bool hidden = !name.empty() && is_hidden(name);
    hides |= hidden;
    if (!name.empty() && !hidden) kept += (kept.empty() ? "" : " ") + name;
    at = end + 1;
  }
  return hides ? kept : all;
}

// Asked once. What a resize of the slice changes, and what others do, is asked each time.
bool is_fixed(cl_device_info what) {
  switch (what) {
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
    case CL_DEVICE_AVAILABLE:
    case CL_DEVICE_REFERENCE_COUNT:
      return false;
    default:
      return what >= 0x1000 && what < 0x1100;  // of the API itself
  }
}

struct Asked {
  cl_device_id device;
  cl_device_info what;
  cl_int operator()(size_t room, void* value, size_t* size) const {
    return wire_clGetDeviceInfo(Mode::kAsk, device, what, room, value, size);
  }
};

cl_int give_extensions(cl_device_id device, const InfoPlace& place) {
  InfoCache::Answer answer;
  const Asked asked{device, CL_DEVICE_EXTENSIONS};
  const cl_int code = get(device)->infos.whole({CL_DEVICE_EXTENSIONS, 0}, asked, answer);
  if (code != CL_SUCCESS) return code;
  answer.push_back({});
  return place.give_text(visible(reinterpret_cast<const char*>(answer.data())));
}

cl_int give_versions(cl_device_id device, const InfoPlace& place) {
  InfoCache::Answer answer;
  const Asked asked{device, CL_DEVICE_EXTENSIONS_WITH_VERSION};
  const cl_int code =
      get(device)->infos.whole({CL_DEVICE_EXTENSIONS_WITH_VERSION, 0}, asked, answer);
  if (code != CL_SUCCESS) return code;
  std::vector<cl_name_version> kept;
  for (size_t at = 0; at + sizeof(cl_name_version) <= answer.size();
       at += sizeof(cl_name_version)) {
    cl_name_version each{};
    std::memcpy(&each, answer.data() + at, sizeof each);
    each.name[sizeof each.name - 1] = 0;
    if (!is_hidden(each.name)) kept.push_back(each);
  }
  return place.give_row(kept);
}

}  // namespace

cl_int CL_API_CALL client_clGetDeviceInfo(cl_device_id device, cl_device_info param_name,
                                          size_t param_value_size, void* param_value,
                                          size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  Device* known = get(device);
  if (known == nullptr) return CL_INVALID_DEVICE;
  switch (param_name) {
    case CL_DEVICE_PLATFORM:
      return place.give(handle_of<cl_platform_id>(Client::get().platform()));
    case CL_DEVICE_PARENT_DEVICE:
      return place.give(handle_of<cl_device_id>(known->of()));
    case CL_DEVICE_TYPE:
      return place.give(known->type);
    case CL_DEVICE_EXTENSIONS:
      return give_extensions(device, place);
    case CL_DEVICE_EXTENSIONS_WITH_VERSION:
      return give_versions(device, place);
    case CL_DEVICE_SVM_CAPABILITIES:
      return place.give(cl_device_svm_capabilities{0});
    case CL_DEVICE_EXECUTION_CAPABILITIES:
      return place.give(cl_device_exec_capabilities{CL_EXEC_KERNEL});
    default:
      if (is_fixed(param_name))
        return known->infos.give({param_name, 0}, place, Asked{device, param_name});
      return wire_clGetDeviceInfo(Mode::kAsk, device, param_name, param_value_size, param_value,
                                  param_value_size_ret);
  }
}

cl_int CL_API_CALL client_clCreateSubDevices(cl_device_id in_device,
                                             const cl_device_partition_property* properties,
                                             cl_uint num_devices, cl_device_id* out_devices,
                                             cl_uint* num_devices_ret) {
  Device* of = get(in_device);
  if (of == nullptr) return CL_INVALID_DEVICE;
  const cl_uint most = std::min(num_devices, 4096u);
  std::vector<ObjectId> ids;
  ids.reserve(1);  // there, also when empty
  for (cl_uint i = 0; out_devices != nullptr && i < most; ++i) ids.push_back(take_id(of));
  cl_uint made = 0;
  const cl_int code = wire_clCreateSubDevices(Mode::kAsk, in_device, properties, most,
                                              out_devices == nullptr ? nullptr : ids.data(), &made);
  for (cl_uint i = 0; i < ids.size(); ++i) {
    if (code != CL_SUCCESS || i >= made) {
      give_back_id(of, ids[i]);
      continue;
    }
    auto* device = new Device(ids[i], of, of->client);
    device->type = of->type;
    out_devices[i] = handle_of<cl_device_id>(device);
  }
  if (code == CL_SUCCESS && num_devices_ret != nullptr) *num_devices_ret = made;
  return code;
}

// Cards are not counted.
cl_int CL_API_CALL client_clRetainDevice(cl_device_id device) {
  const Device* known = get(device);
  if (known == nullptr) return CL_INVALID_DEVICE;
  return known->of() == nullptr ? CL_SUCCESS : retain(device, wire_clRetainDevice);
}

cl_int CL_API_CALL client_clReleaseDevice(cl_device_id device) {
  const Device* known = get(device);
  if (known == nullptr) return CL_INVALID_DEVICE;
  return known->of() == nullptr ? CL_SUCCESS : release(device, wire_clReleaseDevice);
}

}  // namespace flexai::remote::opencl
