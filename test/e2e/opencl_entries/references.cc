// Reference counts that programs see, and objects outliving the handles they were made from.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

template <typename Object, typename Info, typename F>
cl_uint references(Object object, Info what, F get) {
  cl_uint count = 999;
  get(object, what, sizeof(count), &count, nullptr);
  return count;
}

// Not of queues and events: drivers keep some of their own, for a while.
void say_counts(cl_mem buffer, cl_kernel kernel) {
  say("buffer %u", references(buffer, CL_MEM_REFERENCE_COUNT, clGetMemObjectInfo));
  say("kernel %u", references(kernel, CL_KERNEL_REFERENCE_COUNT, clGetKernelInfo));
}

void outlive(Session& s) {
  cl_int error = CL_SUCCESS;
  cl_context context = clCreateContext(nullptr, 1, &s.device, nullptr, nullptr, &error);
  cl_command_queue queue = clCreateCommandQueue(context, s.device, 0, &error);
  const auto data = pattern(1024, 12);
  cl_mem buffer = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, 4096,
                                 const_cast<cl_uint*>(data.data()), &error);
  clReleaseContext(context);  // queue and buffer keep it
  std::vector<cl_uint> host(1024);
  cl_event read = nullptr;
  clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, 4096, host.data(), 0, nullptr, &read);
  clReleaseMemObject(buffer);
  clFlush(queue);
  clReleaseCommandQueue(queue);  // the event keeps it
  say("outlive %s", error_name(clWaitForEvents(1, &read)).c_str());
  say("outlive %s", host == data ? "equal" : "different");
  clReleaseEvent(read);
}

void many(Session& s) {
  cl_int worst = CL_SUCCESS;
  for (int i = 0; i < 2000; ++i) {
    cl_int error = CL_SUCCESS;
    cl_command_queue queue = clCreateCommandQueue(s.context, s.device, 0, &error);
    cl_mem buffer = clCreateBuffer(s.context, CL_MEM_READ_WRITE, 4096, nullptr, &error);
    cl_event event = nullptr;
    const cl_uint one = 1;
    if (queue != nullptr && buffer != nullptr)
      error = clEnqueueFillBuffer(queue, buffer, &one, 4, 0, 4096, 0, nullptr, &event);
    if (queue != nullptr) clFinish(queue);
    if (event != nullptr) clReleaseEvent(event);
    if (buffer != nullptr) clReleaseMemObject(buffer);
    if (queue != nullptr) clReleaseCommandQueue(queue);
    if (error != CL_SUCCESS) worst = error;
  }
  say("two thousand of each %s", error_name(worst).c_str());
}

}  // namespace

void run_references(Session& session) {
  cl_kernel kernel = session.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  cl_mem buffer = session.buffer(4096);
  clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
  cl_event event = nullptr;
  const size_t size = 16;
  clEnqueueNDRangeKernel(session.queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, &event);
  clFinish(session.queue);
  say_counts(buffer, kernel);
  clRetainCommandQueue(session.queue);
  clRetainMemObject(buffer);
  clRetainEvent(event);
  clRetainKernel(kernel);
  say_counts(buffer, kernel);
  clReleaseCommandQueue(session.queue);
  clReleaseMemObject(buffer);
  clReleaseEvent(event);
  clReleaseKernel(kernel);
  say_counts(buffer, kernel);
  clReleaseEvent(event);
  clReleaseMemObject(buffer);
  clReleaseKernel(kernel);
  outlive(session);
  many(session);
}

}  // namespace flexai::test
