// Devices and contexts.
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

// The client gives the ids: as many as it has room for.
cl_int handle_clGetDeviceIDs(Incoming& call, cl_device_type device_type, cl_uint entries,
                             const Values<ObjectId>& devices, Out<cl_uint>& num_devices) {
  cl_uint found = 0;
  if (!devices.there)  // the driver's word for a type, or for entries without a place
    return call.table().clGetDeviceIDs(call.worker().granted().platform, device_type, entries,
                                       nullptr, &found);
  const auto& granted = call.worker().granted().devices;
  const size_t count = std::min(granted.size(), devices.count);
  for (size_t i = 0; i < count; ++i)
    if (!call.worker().handles().add(devices.values[i], kDevice, granted[i]).ok())
      return CL_OUT_OF_HOST_MEMORY;
  if (num_devices.data() != nullptr) *num_devices.data() = static_cast<cl_uint>(count);
  return CL_SUCCESS;
}

namespace {

// From any thread of the driver.
void CL_CALLBACK on_context_news(const char* text, const void* more, size_t size, void* listener) {
  const auto* to = static_cast<ContextListener*>(listener);
  Worker* const worker = to->worker.load();
  if (worker == nullptr) return;
  worker->context_news(to->context.load(), text == nullptr ? "" : text,
                       {static_cast<const std::byte*>(more), more == nullptr ? 0 : size});
}

}  // namespace

cl_context make_context(const Granted& granted, std::vector<cl_context_properties> properties,
                        const std::vector<cl_device_id>& devices, ContextListener* listener,
                        cl_int& code) {
  // The client leaves the platform out: here it is another one.
  properties.insert(
      properties.begin(),
      {CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(granted.platform)});
  properties.push_back(0);
  return granted.table.clCreateContext(properties.data(), static_cast<cl_uint>(devices.size()),
                                       devices.data(), on_context_news, listener, &code);
}

cl_int handle_clCreateContext(Incoming& call, const Values<cl_context_properties>& properties,
                              cl_uint num_devices, const Values<cl_device_id>& devices,
                              ObjectId result) {
  std::vector<cl_context_properties> all;
  for (size_t i = 0; i + 1 < properties.count && properties.values[i] != 0; i += 2) {
    if (properties.values[i] == CL_CONTEXT_PLATFORM) return CL_INVALID_PROPERTY;
    all.push_back(properties.values[i]);
    all.push_back(properties.values[i + 1]);
  }
  cl_int code = CL_SUCCESS;
  const cl_context context =
      make_context(call.worker().granted(), std::move(all),
                   {devices.data(), devices.data() + (devices.there ? num_devices : 0)},
                   &call.worker().listener(result), code);
  call.keep(result, context, code);
  return code;
}

cl_int handle_clCreateSubDevices(Incoming& call, cl_device_id in_device,
                                 const Values<cl_device_partition_property>& properties,
                                 cl_uint num_devices, const Values<ObjectId>& out_devices,
                                 Out<cl_uint>& num_devices_ret) {
  std::vector<cl_device_id> made(out_devices.there ? out_devices.count + 1 : 0);
  // A list of counts has an end of its own before that of the properties.
  std::vector<cl_device_partition_property> list = properties.values;
  list.push_back(0);
  const cl_int code = call.table().clCreateSubDevices(
      in_device, properties.there ? list.data() : nullptr, num_devices,
      out_devices.there ? made.data() : nullptr, num_devices_ret.data());
  if (code != CL_SUCCESS || !out_devices.there) return code;
  for (size_t i = 0; i < out_devices.count; ++i) {
    cl_int kept = CL_SUCCESS;
    if (made[i] != nullptr) call.keep(out_devices.values[i], made[i], kept);
  }
  std::erase(made, nullptr);
  if (!made.empty())
    call.worker().splits().add({in_device, std::move(list), std::move(made)},
                               call.worker().handles());
  return code;
}

}  // namespace flexai::remote::opencl
