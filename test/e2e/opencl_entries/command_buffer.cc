// cl_khr_command_buffer, reached by name as programs reach it.
#include <CL/cl_ext.h>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 1024;

template <typename F>
F find(const Session& s, const char* name) {
  return reinterpret_cast<F>(clGetExtensionFunctionAddressForPlatform(s.platform, name));
}

struct Functions {
  explicit Functions(const Session& s)
      : create(find<clCreateCommandBufferKHR_fn>(s, "clCreateCommandBufferKHR")),
        finalize(find<clFinalizeCommandBufferKHR_fn>(s, "clFinalizeCommandBufferKHR")),
        retain(find<clRetainCommandBufferKHR_fn>(s, "clRetainCommandBufferKHR")),
        release(find<clReleaseCommandBufferKHR_fn>(s, "clReleaseCommandBufferKHR")),
        enqueue(find<clEnqueueCommandBufferKHR_fn>(s, "clEnqueueCommandBufferKHR")),
        kernel(find<clCommandNDRangeKernelKHR_fn>(s, "clCommandNDRangeKernelKHR")),
        fill(find<clCommandFillBufferKHR_fn>(s, "clCommandFillBufferKHR")),
        copy(find<clCommandCopyBufferKHR_fn>(s, "clCommandCopyBufferKHR")),
        copy_rect(find<clCommandCopyBufferRectKHR_fn>(s, "clCommandCopyBufferRectKHR")),
        barrier(find<clCommandBarrierWithWaitListKHR_fn>(s, "clCommandBarrierWithWaitListKHR")),
        info(find<clGetCommandBufferInfoKHR_fn>(s, "clGetCommandBufferInfoKHR")) {}
  bool all() const {
    return create && finalize && retain && release && enqueue && kernel && fill && copy &&
           copy_rect && barrier && info;
  }

  clCreateCommandBufferKHR_fn create;
  clFinalizeCommandBufferKHR_fn finalize;
  clRetainCommandBufferKHR_fn retain;
  clReleaseCommandBufferKHR_fn release;
  clEnqueueCommandBufferKHR_fn enqueue;
  clCommandNDRangeKernelKHR_fn kernel;
  clCommandFillBufferKHR_fn fill;
  clCommandCopyBufferKHR_fn copy;
  clCommandCopyBufferRectKHR_fn copy_rect;
  clCommandBarrierWithWaitListKHR_fn barrier;
  clGetCommandBufferInfoKHR_fn info;
};

void say_state(const Functions& f, cl_command_buffer_khr buffer) {
  cl_command_buffer_state_khr state = 99;
  cl_uint queues = 0, references = 0;
  f.info(buffer, CL_COMMAND_BUFFER_STATE_KHR, sizeof(state), &state, nullptr);
  f.info(buffer, CL_COMMAND_BUFFER_NUM_QUEUES_KHR, sizeof(queues), &queues, nullptr);
  f.info(buffer, CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR, sizeof(references), &references, nullptr);
  say("state %u queues %u references %u", state, queues, references);
}

void record(const Functions& f, const Session& s, cl_command_buffer_khr buffer, cl_kernel kernel,
            cl_mem a, cl_mem b) {
  cl_sync_point_khr filled = 0, stepped = 0;
  const cl_uint zero = 0;
  const size_t size = kWords;
  const size_t src[] = {0, 0, 0}, dst[] = {64, 1, 0}, region[] = {32, 4, 1};
  clSetKernelArg(kernel, 0, sizeof(a), &a);
  say("fill %s", error_name(f.fill(buffer, nullptr, b, &zero, sizeof(zero), 0, 4096, 0, nullptr,
                                   &filled, nullptr))
                     .c_str());
  say("kernel %s", error_name(f.kernel(buffer, nullptr, nullptr, kernel, 1, nullptr, &size, nullptr,
                                       1, &filled, &stepped, nullptr))
                       .c_str());
  say("barrier %s", error_name(f.barrier(buffer, nullptr, 1, &stepped, nullptr, nullptr)).c_str());
  say("copy %s",
      error_name(f.copy(buffer, nullptr, a, b, 0, 0, 2048, 0, nullptr, nullptr, nullptr)).c_str());
  say("copy rect %s", error_name(f.copy_rect(buffer, nullptr, a, b, src, dst, region, 128, 0, 128,
                                             0, 0, nullptr, nullptr, nullptr))
                          .c_str());
  (void)s;
}

void replay(const Functions& f, Session& s, cl_command_buffer_khr buffer, cl_mem a, cl_mem b) {
  cl_event last = nullptr;
  for (int i = 0; i < 5; ++i) {
    cl_event next = nullptr;
    const cl_int error = f.enqueue(0, nullptr, buffer, last != nullptr ? 1 : 0,
                                   last != nullptr ? &last : nullptr, &next);
    if (error != CL_SUCCESS) say("enqueue %d %s", i, error_name(error).c_str());
    if (error == CL_SUCCESS) clWaitForEvents(1, &next);  // one at a time without simultaneous use
    if (last != nullptr) clReleaseEvent(last);
    last = next;
  }
  cl_command_type type = 0;
  if (last != nullptr) {
    clGetEventInfo(last, CL_EVENT_COMMAND_TYPE, sizeof(type), &type, nullptr);
    clReleaseEvent(last);
  }
  clFinish(s.queue);
  say("event type %x", type);
  say("a %s", fingerprint(s.words(s.queue, a, kWords)).c_str());
  say("b %s", fingerprint(s.words(s.queue, b, kWords)).c_str());
}

}  // namespace

void run_command_buffer(Session& session) {
  const Functions f(session);
  if (!session.lists_extension("cl_khr_command_buffer") || !f.all())
    return say("not supported by this device");
  cl_kernel kernel = session.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  const auto data = pattern(kWords, 6);
  cl_mem a = session.buffer(4096, data.data()), b = session.buffer(4096);
  cl_int error = CL_SUCCESS;
  cl_command_buffer_khr buffer = f.create(1, &session.queue, nullptr, &error);
  say("create %s", error_name(error).c_str());
  if (buffer == nullptr) return;
  say_state(f, buffer);
  record(f, session, buffer, kernel, a, b);
  say("too early %s", error_name(f.enqueue(0, nullptr, buffer, 0, nullptr, nullptr)).c_str());
  say("finalize %s", error_name(f.finalize(buffer)).c_str());
  say("twice %s", error_name(f.finalize(buffer)).c_str());
  say("retain %s", error_name(f.retain(buffer)).c_str());
  say_state(f, buffer);
  say("release %s", error_name(f.release(buffer)).c_str());
  replay(f, session, buffer, a, b);
  say("last release %s", error_name(f.release(buffer)).c_str());
  clReleaseMemObject(a);
  clReleaseMemObject(b);
  clReleaseKernel(kernel);
}

}  // namespace flexai::test
