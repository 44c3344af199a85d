#include <algorithm>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/by_name.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl {
namespace {

struct Properties {
  std::vector<cl_context_properties> given;   // as the program says, with the zero
  std::vector<cl_context_properties> travel;  // without the platform
  bool has_platform = false;
  cl_int code = CL_SUCCESS;  // of what it says of the platform, which is ours alone
};

Properties read(const cl_context_properties* list) {
  Properties found;
  if (list == nullptr) return found;
  for (; *list != 0; list += 2) {
    found.given.insert(found.given.end(), {list[0], list[1]});
    if (list[0] == CL_CONTEXT_PLATFORM) {
      if (found.has_platform) found.code = CL_INVALID_PROPERTY;
      if (get(reinterpret_cast<cl_platform_id>(list[1])) == nullptr)
        found.code = CL_INVALID_PLATFORM;
      found.has_platform = true;
    } else {
      found.travel.insert(found.travel.end(), {list[0], list[1]});
    }
  }
  found.given.push_back(0);
  found.travel.push_back(0);
  return found;
}

}  // namespace

cl_context CL_API_CALL client_clCreateContext(const cl_context_properties* properties,
                                              cl_uint num_devices, const cl_device_id* devices,
                                              ContextNotify pfn_notify, void* user_data,
                                              cl_int* errcode_ret) {
  const Properties list = read(properties);
  if (pfn_notify == nullptr && user_data != nullptr)
    return born<cl_context, Context>(nullptr, CL_INVALID_VALUE, errcode_ret);
  if (list.code != CL_SUCCESS) return born<cl_context, Context>(nullptr, list.code, errcode_ret);
  if (wide::are_wide(num_devices, devices))
    return wide::create_context(list.given, properties == nullptr ? nullptr : list.travel.data(),
                                num_devices, devices, pfn_notify, user_data, errcode_ret);
  const Device* near = nullptr;
  for (cl_uint i = 0; devices != nullptr && i < num_devices && near == nullptr; ++i)
    near = get(devices[i]);
  auto* context = new Context(take_id(near), near == nullptr ? nullptr : near->client);
  context->properties = list.given;
  cl_int code =
      wire_clCreateContext(Mode::kAsk, properties == nullptr ? nullptr : list.travel.data(),
                           num_devices, devices, context->id);
  if (code == CL_SUCCESS && devices == nullptr) code = CL_OUT_OF_RESOURCES;  // no worker of ours
  for (cl_uint i = 0; code == CL_SUCCESS && i < num_devices; ++i) {
    Device* device = get(devices[i]);
    if (device == nullptr) continue;
    auto& all = context->devices;
    if (std::find(all.begin(), all.end(), device) != all.end()) continue;  // once each
    hold(device);
    all.push_back(device);
  }
  if (code == CL_SUCCESS && pfn_notify != nullptr)
    Client::of(context).add_listener(context->id, pfn_notify, user_data);
  return born<cl_context>(context, code, errcode_ret);
}

cl_context CL_API_CALL client_clCreateContextFromType(const cl_context_properties* properties,
                                                      cl_device_type device_type,
                                                      ContextNotify pfn_notify, void* user_data,
                                                      cl_int* errcode_ret) {
  if (const cl_int code = read(properties).code; code != CL_SUCCESS)
    return born<cl_context, Context>(nullptr, code, errcode_ret);
  cl_uint count = 0;
  const cl_int found = client_clGetDeviceIDs(handle_of<cl_platform_id>(Client::get().platform()),
                                             device_type, 0, nullptr, &count);
  if (found != CL_SUCCESS) return born<cl_context, Context>(nullptr, found, errcode_ret);
  const auto devices = handles_of<cl_device_id>(devices_of(device_type));
  return client_clCreateContext(properties, count, devices.data(), pfn_notify, user_data,
                                errcode_ret);
}

cl_int CL_API_CALL client_clGetContextInfo(cl_context context, cl_context_info param_name,
                                           size_t param_value_size, void* param_value,
                                           size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const Context* known = get(context);
  if (known == nullptr) return CL_INVALID_CONTEXT;
  if (param_name == CL_CONTEXT_DEVICES)
    return place.give_row(handles_of<cl_device_id>(known->devices));
  if (param_name == CL_CONTEXT_NUM_DEVICES)
    return place.give(static_cast<cl_uint>(known->devices.size()));
  if (param_name == CL_CONTEXT_PROPERTIES) return place.give_row(known->properties);
  return wire_clGetContextInfo(Mode::kAsk, context, param_name, param_value_size, param_value,
                               param_value_size_ret);
}

cl_int CL_API_CALL client_clSetContextDestructorCallback(cl_context context,
                                                         ContextDestroyed pfn_notify,
                                                         void* user_data) {
  Context* known = get(context);
  if (known == nullptr) return CL_INVALID_CONTEXT;
  if (pfn_notify == nullptr) return CL_INVALID_VALUE;
  base::MutexLock lock(known->mutex);
  known->ends.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
