// User events: commands that cannot start yet, that never start, thousands of them.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 256;

cl_int status_of(cl_event event) {
  cl_int status = -999;
  clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, nullptr);
  return status;
}

void gate(Session& s, cl_kernel kernel, cl_mem buffer) {
  cl_int error = CL_SUCCESS;
  cl_event user = clCreateUserEvent(s.context, &error);
  say("create %s status %d", error_name(error).c_str(), status_of(user));
  const size_t size = kWords;
  cl_event kernel_done = nullptr, read_done = nullptr;
  std::vector<cl_uint> host(kWords);
  clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, 1, &user, &kernel_done);
  clEnqueueReadBuffer(s.queue, buffer, CL_FALSE, 0, kWords * 4, host.data(), 1, &kernel_done,
                      &read_done);
  clFlush(s.queue);
  say("held %s", status_of(kernel_done) > CL_COMPLETE ? "yes" : "no");
  say("set %s", error_name(clSetUserEventStatus(user, CL_COMPLETE)).c_str());
  say("again %s", error_name(clSetUserEventStatus(user, CL_COMPLETE)).c_str());
  say("wait %s", error_name(clWaitForEvents(1, &read_done)).c_str());
  say("content %s", fingerprint(host).c_str());
  clReleaseEvent(user);
  clReleaseEvent(kernel_done);
  clReleaseEvent(read_done);
}

void failing(Session& s, cl_kernel kernel) {
  cl_int error = CL_SUCCESS;
  cl_command_queue queue = clCreateCommandQueue(s.context, s.device, 0, &error);
  cl_event user = clCreateUserEvent(s.context, &error), done = nullptr;
  const size_t size = kWords;
  clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &size, nullptr, 1, &user, &done);
  clFlush(queue);
  say("fail %s", error_name(clSetUserEventStatus(user, -7777)).c_str());
  say("wait %s", error_name(clWaitForEvents(1, &done)).c_str());
  say("dependant %s", status_of(done) < 0 ? "failed" : "not failed");
  clReleaseEvent(done);
  clReleaseEvent(user);
  clReleaseCommandQueue(queue);
}

void thousands(Session& s, cl_kernel kernel, cl_mem buffer) {
  constexpr int kCommands = 5000;
  cl_int error = CL_SUCCESS, worst = CL_SUCCESS;
  cl_event user = clCreateUserEvent(s.context, &error);
  const size_t size = 16;
  for (int i = 0; i < kCommands; ++i) {
    error = clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, i == 0 ? 1 : 0,
                                   i == 0 ? &user : nullptr, nullptr);
    if (error != CL_SUCCESS) worst = error;
  }
  say("enqueued %s", error_name(worst).c_str());
  clSetUserEventStatus(user, CL_COMPLETE);
  clReleaseEvent(user);
  say("finish %s", error_name(clFinish(s.queue)).c_str());
  say("content %s", fingerprint(s.words(s.queue, buffer, kWords)).c_str());
}

void wrong(Session& s) {
  cl_int error = CL_SUCCESS;
  cl_event user = clCreateUserEvent(s.context, &error);
  say("running %s", error_name(clSetUserEventStatus(user, CL_RUNNING)).c_str());
  cl_event marker = nullptr;
  clEnqueueMarkerWithWaitList(s.queue, 0, nullptr, &marker);
  say("of a command %s", error_name(clSetUserEventStatus(marker, CL_COMPLETE)).c_str());
  clSetUserEventStatus(user, CL_COMPLETE);
  clReleaseEvent(marker);
  clReleaseEvent(user);
}

}  // namespace

void run_user_events(Session& session) {
  cl_kernel kernel = session.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  const auto data = pattern(kWords, 16);
  cl_mem buffer = session.buffer(kWords * 4, data.data());
  clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
  gate(session, kernel, buffer);
  failing(session, kernel);
  thousands(session, kernel, buffer);
  wrong(session);
  clReleaseMemObject(buffer);
  clReleaseKernel(kernel);
}

}  // namespace flexai::test
