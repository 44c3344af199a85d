#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/client/outgoing.h"

namespace flexai::remote::opencl {

cl_command_queue CL_API_CALL client_clCreateCommandQueue(cl_context context, cl_device_id device,
                                                         cl_command_queue_properties properties,
                                                         cl_int* errcode_ret) {
  auto* queue = new Queue(take_id(get(context)), get(context), get(device));
  queue->properties = properties;
  const cl_int code = wire_clCreateCommandQueue(Mode::kAsk, context, device, properties, queue->id);
  return born<cl_command_queue>(queue, code, errcode_ret);
}

cl_command_queue CL_API_CALL client_clCreateCommandQueueWithProperties(
    cl_context context, cl_device_id device, const cl_queue_properties* properties,
    cl_int* errcode_ret) {
  auto* queue = new Queue(take_id(get(context)), get(context), get(device));
  for (const cl_queue_properties* each = properties; each != nullptr && *each != 0; each += 2) {
    queue->list.insert(queue->list.end(), {each[0], each[1]});
    if (each[0] == CL_QUEUE_PROPERTIES) queue->properties = each[1];
  }
  if (properties != nullptr) queue->list.push_back(0);
  const cl_int code =
      wire_clCreateCommandQueueWithProperties(Mode::kAsk, context, device, properties, queue->id);
  return born<cl_command_queue>(queue, code, errcode_ret);
}

cl_int CL_API_CALL client_clGetCommandQueueInfo(cl_command_queue command_queue,
                                                cl_command_queue_info param_name,
                                                size_t param_value_size, void* param_value,
                                                size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const Queue* queue = get(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (param_name == CL_QUEUE_CONTEXT) return place.give(handle_of<cl_context>(queue->context()));
  if (param_name == CL_QUEUE_DEVICE) return place.give(handle_of<cl_device_id>(queue->device()));
  if (param_name == CL_QUEUE_DEVICE_DEFAULT) return place.give(cl_command_queue{nullptr});
  return wire_clGetCommandQueueInfo(Mode::kAsk, command_queue, param_name, param_value_size,
                                    param_value, param_value_size_ret);
}

// The worker's answer comes when the commands have ended; what it pushed of their events came
// before or comes now.
cl_int CL_API_CALL client_clFinish(cl_command_queue command_queue) {
  const Queue* queue = get(command_queue);
  const uint64_t begun = queue == nullptr ? 0 : queue->begun.load(std::memory_order_relaxed);
  const cl_int code = wire_clFinish(Mode::kAsk, command_queue);
  if (queue == nullptr || code == kGone) return code;
  const cl_int waited = Client::of(*queue).await(
      [queue, begun] { return queue->ended.load(std::memory_order_relaxed) >= begun; });
  return code != CL_SUCCESS ? code : waited;
}

}  // namespace flexai::remote::opencl
