#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"

namespace flexai::remote::opencl {

cl_command_buffer_khr CL_API_CALL client_clCreateCommandBufferKHR(
    cl_uint num_queues, const cl_command_queue* queues,
    const cl_command_buffer_properties_khr* properties, cl_int* errcode_ret) {
  Queue* first = num_queues == 0 || queues == nullptr ? nullptr : get(queues[0]);
  auto* buffer = new CommandBuffer(take_id(), first);
  const cl_int code =
      wire_clCreateCommandBufferKHR(Mode::kAsk, num_queues, queues, properties, buffer->id);
  for (cl_uint i = 0; code == CL_SUCCESS && i < num_queues; ++i)
    buffer->queues.push_back(get(queues[i]));
  return born<cl_command_buffer_khr>(buffer, code, errcode_ret);
}

cl_int CL_API_CALL client_clGetCommandBufferInfoKHR(cl_command_buffer_khr command_buffer,
                                                    cl_command_buffer_info_khr param_name,
                                                    size_t param_value_size, void* param_value,
                                                    size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const CommandBuffer* known = get(command_buffer);
  if (known == nullptr) return CL_INVALID_COMMAND_BUFFER_KHR;
  if (param_name == CL_COMMAND_BUFFER_QUEUES_KHR)
    return place.give_row(handles_of<cl_command_queue>(known->queues));
  return wire_clGetCommandBufferInfoKHR(Mode::kAsk, command_buffer, param_name, param_value_size,
                                        param_value, param_value_size_ret);
}

}  // namespace flexai::remote::opencl
