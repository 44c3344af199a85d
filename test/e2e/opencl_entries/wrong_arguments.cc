// What the API answers to wrong arguments must not change inside a slice.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

void creations(Session& s) {
  cl_int error = CL_SUCCESS;
  clCreateContext(nullptr, 0, nullptr, nullptr, nullptr, &error);
  say("context of nothing %s", error_name(error).c_str());
  const cl_context_properties bad[] = {0x9999, 1, 0};
  clCreateContext(bad, 1, &s.device, nullptr, nullptr, &error);
  say("context property %s", error_name(error).c_str());
  clCreateCommandQueue(nullptr, s.device, 0, &error);
  say("queue without context %s", error_name(error).c_str());
  clCreateCommandQueueWithProperties(s.context, nullptr, nullptr, &error);
  say("queue without device %s", error_name(error).c_str());
  clCreateBuffer(s.context, CL_MEM_READ_WRITE, 0, nullptr, &error);
  say("buffer of 0 %s", error_name(error).c_str());
  clCreateBuffer(s.context, CL_MEM_READ_WRITE, 1ull << 62, nullptr, &error);
  say("buffer of too much %s", error_name(error).c_str());
  clCreateBuffer(s.context, CL_MEM_USE_HOST_PTR, 64, nullptr, &error);
  say("buffer without pointer %s", error_name(error).c_str());
  clCreateBuffer(s.context, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 64, nullptr, &error);
  say("buffer flags %s", error_name(error).c_str());
  clCreateBuffer(nullptr, 0, 64, nullptr, &error);
  say("buffer without context %s", error_name(error).c_str());
  clCreateUserEvent(nullptr, &error);
  say("user event without context %s", error_name(error).c_str());
  say("errcode_ret may be null %s",
      clCreateBuffer(s.context, 0, 0, nullptr, nullptr) == nullptr ? "yes" : "no");
}

void enqueues(Session& s) {
  cl_mem buffer = s.buffer(64);
  char host[128] = {};
  const auto read = [&](cl_command_queue queue, cl_mem from, size_t offset, size_t size, void* to) {
    return error_name(
        clEnqueueReadBuffer(queue, from, CL_TRUE, offset, size, to, 0, nullptr, nullptr));
  };
  say("read no queue %s", read(nullptr, buffer, 0, 64, host).c_str());
  say("read no buffer %s", read(s.queue, nullptr, 0, 64, host).c_str());
  say("read too far %s", read(s.queue, buffer, 32, 64, host).c_str());
  say("read to nowhere %s", read(s.queue, buffer, 0, 64, nullptr).c_str());
  say("wait list %s",
      error_name(clEnqueueReadBuffer(s.queue, buffer, CL_TRUE, 0, 64, host, 1, nullptr, nullptr))
          .c_str());
  cl_event none = nullptr;
  say("null event %s",
      error_name(clEnqueueReadBuffer(s.queue, buffer, CL_TRUE, 0, 64, host, 1, &none, nullptr))
          .c_str());
  say("fill odd %s",
      error_name(clEnqueueFillBuffer(s.queue, buffer, host, 3, 0, 63, 0, nullptr, nullptr))
          .c_str());
  const size_t size = 16;
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (kernel != nullptr) {
    say("unset argument %s", error_name(clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size,
                                                               nullptr, 0, nullptr, nullptr))
                                 .c_str());
    clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
    say("four dimensions %s", error_name(clEnqueueNDRangeKernel(s.queue, kernel, 4, nullptr, &size,
                                                                nullptr, 0, nullptr, nullptr))
                                  .c_str());
    say("argument index %s", error_name(clSetKernelArg(kernel, 9, 8, &buffer)).c_str());
    say("argument size %s", error_name(clSetKernelArg(kernel, 0, 3, &buffer)).c_str());
    clReleaseKernel(kernel);
  }
  clReleaseMemObject(buffer);
}

void queries(Session& s) {
  char text[4];
  size_t size = 0;
  say("device list %s",
      error_name(clGetDeviceIDs(s.platform, CL_DEVICE_TYPE_ALL, 0, nullptr, nullptr)).c_str());
  cl_device_id device = nullptr;
  say("no room %s",
      error_name(clGetDeviceIDs(s.platform, CL_DEVICE_TYPE_ALL, 0, &device, nullptr)).c_str());
  say("device type %s",
      error_name(clGetDeviceIDs(s.platform, 0x40000000, 1, &device, nullptr)).c_str());
  say("short answer %s",
      error_name(clGetDeviceInfo(s.device, CL_DEVICE_NAME, 1, text, &size)).c_str());
  say("unknown info %s", error_name(clGetDeviceInfo(s.device, 0x7fff, 4, text, &size)).c_str());
  say("memory size twice %s",
      s.info<cl_ulong>(CL_DEVICE_GLOBAL_MEM_SIZE) == s.info<cl_ulong>(CL_DEVICE_GLOBAL_MEM_SIZE)
          ? "equal"
          : "different");
  say("no device %s", error_name(clGetDeviceInfo(nullptr, CL_DEVICE_NAME, 4, text, &size)).c_str());
  say("no event %s", error_name(clWaitForEvents(0, nullptr)).c_str());
  say("finish nothing %s", error_name(clFinish(nullptr)).c_str());
  say("flush nothing %s", error_name(clFlush(nullptr)).c_str());
  say("release nothing %s %s %s %s", error_name(clReleaseMemObject(nullptr)).c_str(),
      error_name(clReleaseEvent(nullptr)).c_str(), error_name(clReleaseKernel(nullptr)).c_str(),
      error_name(clReleaseCommandQueue(nullptr)).c_str());
  say("no such function %s",
      clGetExtensionFunctionAddressForPlatform(s.platform, "clNoSuchFunctionKHR") == nullptr
          ? "null"
          : "found");
}

}  // namespace

void run_wrong_arguments(Session& session) {
  creations(session);
  enqueues(session);
  queries(session);
}

}  // namespace flexai::test
