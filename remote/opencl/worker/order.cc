// What waits and what is waited for.
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

// The end of the queue's last command, or of a marker, is the reply: the worker's thread waits for
// nothing.
cl_int handle_clFinish(Incoming& call, cl_command_queue command_queue) {
  const Table& table = call.table();
  cl_event marker = call.take_last();
  if (marker == nullptr) {
    const cl_int code = command_queue == nullptr
                            ? table.clFinish(command_queue)
                            : table.clEnqueueMarkerWithWaitList(command_queue, 0, nullptr, &marker);
    if (code != CL_SUCCESS) return code;
  }
  call.put_last(marker);
  call.later();
  Worker& worker = call.worker();
  const uint32_t number = call.call_number();
  auto failed = worker.deferred().take(call.first_object());
  const cl_int answer = failed ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
  worker.watches().add(marker, [&worker, number, answer](cl_event, cl_int) {
    worker.carry_printed();
    [[maybe_unused]] auto sent = worker.dispatcher().reply(number, answer);
  });
  table.clReleaseEvent(marker);
  return table.clFlush(command_queue);
}

cl_int handle_clCreateUserEvent(Incoming& call, cl_context context, ObjectId result) {
  call.may_make<cl_event>(result);
  cl_int code = CL_SUCCESS;
  const cl_event event = call.table().clCreateUserEvent(context, &code);
  call.keep(result, event, code);
  return code;
}

cl_int handle_clSetUserEventStatus(Incoming& call, cl_event event, cl_int execution_status) {
  const cl_int code = call.table().clSetUserEventStatus(event, execution_status);
  if (code == CL_SUCCESS && execution_status < 0) call.worker().watches().sweep();
  return code;
}

}  // namespace flexai::remote::opencl
