#include "remote/opencl/worker/own_queues.h"

#include "remote/opencl/worker/contents.h"

namespace flexai::remote::opencl {

base::Result<cl_command_queue> OwnQueues::of(cl_context context) {
  for (const auto& [its, queue] : queues_)
    if (its == context) return queue;
  std::vector<cl_device_id> devices;
  size_t size = 0;
  table_.clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, nullptr, &size);
  devices.resize(size / sizeof(cl_device_id));
  cl_int code = table_.clGetContextInfo(context, CL_CONTEXT_DEVICES, size, devices.data(), nullptr);
  if (code == CL_SUCCESS && devices.empty()) code = CL_INVALID_CONTEXT;
  if (code != CL_SUCCESS) return driver_failed("asking for a context's cards", code);
  cl_command_queue queue = table_.clCreateCommandQueue(context, devices[0], 0, &code);
  if (code != CL_SUCCESS) return driver_failed("making a queue", code);
  queues_.emplace_back(context, queue);
  return queue;
}

void OwnQueues::drop() {
  for (const auto& [context, queue] : queues_) table_.clReleaseCommandQueue(queue);
  queues_.clear();
}

}  // namespace flexai::remote::opencl
