// Profiling: what programs may rely on, in both forms of asking for it, and clocks.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

bool in_order(cl_event event) {
  cl_ulong t[4] = {};
  const cl_profiling_info what[] = {CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
                                    CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
  for (int i = 0; i < 4; ++i) {
    const cl_int error = clGetEventProfilingInfo(event, what[i], sizeof(t[i]), &t[i], nullptr);
    if (error != CL_SUCCESS) {
      say("info %d %s", i, error_name(error).c_str());
      return false;
    }
  }
  return t[0] <= t[1] && t[1] <= t[2] && t[2] <= t[3] && t[3] > 0;
}

void on_queue(Session& s, cl_command_queue queue, const char* what) {
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  cl_mem buffer = s.buffer(4096);
  clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
  const size_t size = 1024;
  const cl_uint one = 1;
  std::vector<cl_uint> host(1024);
  cl_event events[4] = {};
  clEnqueueFillBuffer(queue, buffer, &one, 4, 0, 4096, 0, nullptr, &events[0]);
  clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, &events[1]);
  clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, 4096, host.data(), 0, nullptr, &events[2]);
  clEnqueueMarkerWithWaitList(queue, 0, nullptr, &events[3]);
  clFinish(queue);
  for (int i = 0; i < 3; ++i) {
    say("%s event %d %s", what, i, in_order(events[i]) ? "in order" : "not there");
    clReleaseEvent(events[i]);
  }
  clReleaseEvent(events[3]);
  clReleaseMemObject(buffer);
  clReleaseKernel(kernel);
}

// Without profiling there is nothing to tell, whatever the queue is below.
void plain(Session& s) {
  cl_mem buffer = s.buffer(64);
  const cl_uint one = 1;
  cl_event event = nullptr;
  clEnqueueFillBuffer(s.queue, buffer, &one, 4, 0, 64, 0, nullptr, &event);
  clFinish(s.queue);
  cl_ulong value = 0;
  say("plain event %s", error_name(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START,
                                                           sizeof(value), &value, nullptr))
                            .c_str());
  clReleaseEvent(event);
  cl_event user = clCreateUserEvent(s.context, nullptr);
  say("user event %s", error_name(clGetEventProfilingInfo(user, CL_PROFILING_COMMAND_START,
                                                          sizeof(value), &value, nullptr))
                           .c_str());
  clSetUserEventStatus(user, CL_COMPLETE);
  clReleaseEvent(user);
  clReleaseMemObject(buffer);
}

}  // namespace

void run_profiling(Session& session) {
  cl_int error = CL_SUCCESS;
  const cl_queue_properties wanted[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
  cl_command_queue queue =
      clCreateCommandQueueWithProperties(session.context, session.device, wanted, &error);
  say("new form %s", error_name(error).c_str());
  if (queue != nullptr) {
    on_queue(session, queue, "new");
    clReleaseCommandQueue(queue);
  }
  queue = clCreateCommandQueue(session.context, session.device, CL_QUEUE_PROFILING_ENABLE, &error);
  say("old form %s", error_name(error).c_str());
  if (queue != nullptr) {
    on_queue(session, queue, "old");
    cl_command_queue_properties has = 99;
    clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof(has), &has, nullptr);
    say("old properties %llx", static_cast<unsigned long long>(has));
    clReleaseCommandQueue(queue);
  }
  plain(session);
  cl_command_queue_properties has = 99;
  clGetCommandQueueInfo(session.queue, CL_QUEUE_PROPERTIES, sizeof(has), &has, nullptr);
  say("plain properties %llx", static_cast<unsigned long long>(has));
  cl_ulong device = 0, host = 0;
  error = clGetDeviceAndHostTimer(session.device, &device, &host);
  say("timers %s %s", error_name(error).c_str(), device != 0 && host != 0 ? "run" : "stand");
  say("host timer %s", error_name(clGetHostTimer(session.device, &host)).c_str());
}

}  // namespace flexai::test
