#include <algorithm>

#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {

bool are_wide(cl_uint num_devices, const cl_device_id* devices) {
  const void* first = nullptr;
  for (cl_uint i = 0; devices != nullptr && i < num_devices; ++i) {
    const void* home = devices[i] == nullptr ? nullptr : home_of(devices[i]);
    if (home == nullptr) continue;
    if (first != nullptr && home != first) return true;
    first = home;
  }
  return false;
}

namespace {

// Sorts the devices by host, each once; false: one is none.
bool sort(WideContext* context, cl_uint count, const cl_device_id* devices) {
  std::vector<const void*> homes;
  for (cl_uint i = 0; i < count; ++i) {
    const void* home = devices[i] == nullptr ? nullptr : home_of(devices[i]);
    if (home == nullptr) return false;
    auto& all = context->devices;
    if (std::find(all.begin(), all.end(), devices[i]) != all.end()) continue;
    all.push_back(devices[i]);
    auto found = std::find(homes.begin(), homes.end(), home);
    if (found == homes.end()) {
      found = homes.insert(homes.end(), home);
      context->hosts.emplace_back();
    }
    context->hosts[static_cast<size_t>(found - homes.begin())].devices.push_back(devices[i]);
  }
  return homes.size() <= kMostHosts;
}

cl_int open(Host& host, const cl_context_properties* properties, ContextNotify notify,
            void* user_data) {
  cl_int code = CL_SUCCESS;
  host.context = below().clCreateContext(properties, static_cast<cl_uint>(host.devices.size()),
                                         host.devices.data(), notify, user_data, &code);
  if (code != CL_SUCCESS) return code;
  // Out of order, so that a move waits for nothing but its own bytes.
  host.mover = below().clCreateCommandQueue(host.context, host.devices.front(),
                                            CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
  if (code == CL_SUCCESS) return code;
  host.mover = below().clCreateCommandQueue(host.context, host.devices.front(), 0, &code);
  return code;
}

cl_int CL_API_CALL retain(cl_context context) {
  return retain_wide<WideContext>(context, CL_INVALID_CONTEXT);
}

cl_int CL_API_CALL release(cl_context context) {
  return release_wide<WideContext>(context, CL_INVALID_CONTEXT);
}

cl_int CL_API_CALL get_info(cl_context context, cl_context_info name, size_t room, void* value,
                            size_t* size) {
  const auto* known = wide<WideContext>(context);
  if (known == nullptr) return CL_INVALID_CONTEXT;
  const InfoPlace place{room, value, size};
  switch (name) {
    case CL_CONTEXT_DEVICES:
      return place.give_row(known->devices);
    case CL_CONTEXT_NUM_DEVICES:
      return place.give(static_cast<cl_uint>(known->devices.size()));
    case CL_CONTEXT_PROPERTIES:
      return place.give_row(known->properties);
    case CL_CONTEXT_REFERENCE_COUNT:
      return place.give(cl_uint{known->refs.load()});
    default:
      return below().clGetContextInfo(known->hosts.front().context, name, room, value, size);
  }
}

cl_int CL_API_CALL set_destructor(cl_context context, ContextDestroyed notify, void* user_data) {
  auto* known = wide<WideContext>(context);
  if (known == nullptr) return CL_INVALID_CONTEXT;
  if (notify == nullptr) return CL_INVALID_VALUE;
  base::MutexLock lock(known->mutex);
  known->ends.emplace_back(notify, user_data);
  return CL_SUCCESS;
}

bool has(const std::vector<cl_image_format>& all, const cl_image_format& one) {
  return std::any_of(all.begin(), all.end(), [&](const cl_image_format& each) {
    return each.image_channel_order == one.image_channel_order &&
           each.image_channel_data_type == one.image_channel_data_type;
  });
}

// What every host can.
cl_int CL_API_CALL get_formats(cl_context context, cl_mem_flags flags, cl_mem_object_type type,
                               cl_uint room, cl_image_format* formats, cl_uint* count) {
  const auto* known = wide<WideContext>(context);
  if (known == nullptr) return CL_INVALID_CONTEXT;
  if (room == 0 && formats != nullptr) return CL_INVALID_VALUE;
  std::vector<cl_image_format> all;
  for (const Host& host : known->hosts) {
    cl_uint size = 0;
    cl_int code = below().clGetSupportedImageFormats(host.context, flags, type, 0, nullptr, &size);
    std::vector<cl_image_format> its(size);
    if (code == CL_SUCCESS && size != 0)
      code =
          below().clGetSupportedImageFormats(host.context, flags, type, size, its.data(), nullptr);
    if (code != CL_SUCCESS) return code;
    if (&host == &known->hosts.front()) {
      all = std::move(its);
    } else {
      std::erase_if(all, [&](const cl_image_format& each) { return !has(its, each); });
    }
  }
  for (size_t i = 0; formats != nullptr && i < std::min<size_t>(room, all.size()); ++i)
    formats[i] = all[i];
  if (count != nullptr) *count = static_cast<cl_uint>(all.size());
  return CL_SUCCESS;
}

cl_int CL_API_CALL set_default_queue(cl_context context, cl_device_id device,
                                     cl_command_queue queue) {
  const auto* known = wide<WideContext>(context);
  if (known == nullptr) return CL_INVALID_CONTEXT;
  const Place host = known->host_of(device);
  if (host == known->hosts.size()) return CL_INVALID_DEVICE;
  const auto* its = wide<WideQueue>(queue);
  if (its == nullptr || its->host != host) return CL_INVALID_COMMAND_QUEUE;
  return below().clSetDefaultDeviceCommandQueue(known->hosts[host].context, device, its->real);
}

}  // namespace

cl_context create_context(const std::vector<cl_context_properties>& given_properties,
                          const cl_context_properties* travel, cl_uint num_devices,
                          const cl_device_id* devices, ContextNotify notify, void* user_data,
                          cl_int* errcode_ret) {
  auto* context = new WideContext;
  context->properties = given_properties;
  cl_int code = sort(context, num_devices, devices) ? CL_SUCCESS : CL_INVALID_DEVICE;
  for (size_t i = 0; code == CL_SUCCESS && i < context->hosts.size(); ++i)
    code = open(context->hosts[i], travel, notify, user_data);
  return given<cl_context>(context, code, errcode_ret);
}

void add_contexts(Table& table) {
  table.clRetainContext = retain;
  table.clReleaseContext = release;
  table.clGetContextInfo = get_info;
  table.clSetContextDestructorCallback = set_destructor;
  table.clGetSupportedImageFormats = get_formats;
  table.clSetDefaultDeviceCommandQueue = set_default_queue;
}

}  // namespace flexai::remote::opencl::wide
