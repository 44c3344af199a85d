#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/client/plain.h"

namespace flexai::remote::opencl {

cl_command_buffer_khr CL_API_CALL client_clCreateCommandBufferKHR(
    cl_uint num_queues, const cl_command_queue* queues,
    const cl_command_buffer_properties_khr* properties, cl_int* errcode_ret) {
  Queue* first = num_queues == 0 || queues == nullptr ? nullptr : get(queues[0]);
  auto* buffer = new CommandBuffer(take_id(first), first);
  const cl_int code =
      wire_clCreateCommandBufferKHR(Mode::kAsk, num_queues, queues, properties, buffer->id);
  for (cl_uint i = 0; code == CL_SUCCESS && queues != nullptr && i < num_queues; ++i)
    buffer->queues.push_back(get(queues[i]));
  return born<cl_command_buffer_khr>(buffer, code, errcode_ret);
}

namespace {

// The driver took it before, and what it took has ended: it takes it again.
bool was_accepted(CommandBuffer& buffer) {
  base::MutexLock lock(buffer.mutex);
  return buffer.accepted && (buffer.last == nullptr || buffer.last->done());
}

// Instead of the one before.
void remember(CommandBuffer& buffer, Event* event) {
  hold(event);
  {
    base::MutexLock lock(buffer.mutex);
    buffer.accepted = true;
    std::swap(buffer.last, event);
  }
  drop(event);
}

}  // namespace

// Recorded once, replayed with one message.
cl_int CL_API_CALL client_clEnqueueCommandBufferKHR(cl_uint num_queues, cl_command_queue* queues,
                                                    cl_command_buffer_khr command_buffer,
                                                    cl_uint num_events_in_wait_list,
                                                    const cl_event* event_wait_list,
                                                    cl_event* event) {
  CommandBuffer* known = get(command_buffer);
  const bool own = known != nullptr && num_queues == 0 && queues == nullptr;
  const cl_command_queue queue = queue_of(queues, num_queues, command_buffer);
  const bool plain =
      own && was_accepted(*known) && plain_waits(queue, num_events_in_wait_list, event_wait_list);
  Birth birth(queue, CL_COMMAND_COMMAND_BUFFER_KHR, event, own);
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  const cl_int code = wire_clEnqueueCommandBufferKHR(
      plain ? Mode::kTell : Mode::kAsk, num_queues, queues, command_buffer, num_events_in_wait_list,
      event_wait_list, birth.id());
  if (code == CL_SUCCESS && own && birth.event() != nullptr) remember(*known, birth.event());
  return birth.done(code);
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
