// Functions of the host run as commands of a queue.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

struct Args {
  cl_uint* data;
  cl_uint count;
  cl_uint add;
};

void CL_CALLBACK add_all(void* raw) {
  auto* args = static_cast<Args*>(raw);
  for (cl_uint i = 0; i < args->count; ++i) args->data[i] += args->add;
}

}  // namespace

void run_native_kernel(Session& session) {
  const auto able = session.info<cl_device_exec_capabilities>(CL_DEVICE_EXECUTION_CAPABILITIES);
  say("able %llx", static_cast<unsigned long long>(able));
  const auto data = pattern(64, 9);
  cl_mem buffer = session.buffer(256, data.data());
  Args args{nullptr, 64, 5};
  const void* where = &args.data;
  cl_event done = nullptr;
  const cl_int error = clEnqueueNativeKernel(session.queue, add_all, &args, sizeof(args), 1,
                                             &buffer, &where, 0, nullptr, &done);
  say("enqueue %s", error_name(error).c_str());
  if (error == CL_SUCCESS) {
    say("wait %s", error_name(clWaitForEvents(1, &done)).c_str());
    clReleaseEvent(done);
  }
  say("content %s", fingerprint(session.words(session.queue, buffer, 64)).c_str());
  if ((able & CL_EXEC_NATIVE_KERNEL) != 0)
    say("no function %s", error_name(clEnqueueNativeKernel(session.queue, nullptr, nullptr, 0, 0,
                                                           nullptr, nullptr, 0, nullptr, nullptr))
                              .c_str());
  clReleaseMemObject(buffer);
}

}  // namespace flexai::test
