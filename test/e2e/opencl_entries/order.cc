// Out-of-order queues: only events, markers and barriers order what runs there.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

constexpr size_t kWords = 512;

cl_command_queue open_queue(Session& s) {
  cl_int error = CL_SUCCESS;
  const cl_queue_properties wanted[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
                                        0};
  cl_command_queue queue = clCreateCommandQueueWithProperties(s.context, s.device, wanted, &error);
  say("queue %s", error_name(error).c_str());
  if (queue == nullptr) return nullptr;
  cl_command_queue_properties has = 0;
  clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof(has), &has, nullptr);
  say("properties %llx", static_cast<unsigned long long>(has));
  return queue;
}

void enqueue(cl_command_queue queue, cl_kernel kernel, cl_uint waits, const cl_event* wait,
             cl_event* event) {
  const size_t size = kWords;
  const cl_int error =
      clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &size, nullptr, waits, wait, event);
  if (error != CL_SUCCESS) say("enqueue %s", error_name(error).c_str());
}

void chain(Session& s, cl_command_queue queue, cl_kernel kernel, cl_mem buffer) {
  cl_event last = nullptr;
  for (int i = 0; i < 40; ++i) {
    cl_event next = nullptr;
    enqueue(queue, kernel, last != nullptr ? 1 : 0, last != nullptr ? &last : nullptr, &next);
    if (last != nullptr) clReleaseEvent(last);
    last = next;
  }
  clWaitForEvents(1, &last);
  clReleaseEvent(last);
  say("chain %s", fingerprint(s.words(queue, buffer, kWords)).c_str());
}

void barriers(Session& s, cl_command_queue queue, cl_kernel kernel, cl_mem buffer) {
  for (int i = 0; i < 20; ++i) {
    enqueue(queue, kernel, 0, nullptr, nullptr);
    const cl_int error = i % 2 == 0 ? clEnqueueBarrierWithWaitList(queue, 0, nullptr, nullptr)
                                    : clEnqueueBarrier(queue);
    if (error != CL_SUCCESS) say("barrier %s", error_name(error).c_str());
  }
  clFinish(queue);
  say("barriers %s", fingerprint(s.words(queue, buffer, kWords)).c_str());
}

void markers(Session& s, cl_command_queue queue, cl_kernel kernel, cl_mem buffer) {
  for (int i = 0; i < 10; ++i) {
    enqueue(queue, kernel, 0, nullptr, nullptr);
    cl_event mark = nullptr;
    const cl_int error = i % 2 == 0 ? clEnqueueMarkerWithWaitList(queue, 0, nullptr, &mark)
                                    : clEnqueueMarker(queue, &mark);
    if (error != CL_SUCCESS) return say("marker %s", error_name(error).c_str());
    const cl_int held = clEnqueueBarrierWithWaitList(queue, 1, &mark, nullptr);
    if (held != CL_SUCCESS) say("hold %s", error_name(held).c_str());
    clReleaseEvent(mark);
  }
  clFinish(queue);
  say("markers %s", fingerprint(s.words(queue, buffer, kWords)).c_str());
}

void across_queues(Session& s, cl_command_queue queue, cl_kernel kernel, cl_mem buffer) {
  cl_event last = nullptr;
  for (int i = 0; i < 20; ++i) {
    cl_event next = nullptr;
    cl_command_queue to = i % 2 == 0 ? queue : s.queue;
    enqueue(to, kernel, last != nullptr ? 1 : 0, last != nullptr ? &last : nullptr, &next);
    clFlush(to);
    if (last != nullptr) clReleaseEvent(last);
    last = next;
  }
  clWaitForEvents(1, &last);
  clReleaseEvent(last);
  clFinish(queue);
  say("across %s", fingerprint(s.words(s.queue, buffer, kWords)).c_str());
}

}  // namespace

void run_order(Session& session) {
  cl_command_queue queue = open_queue(session);
  cl_kernel kernel = session.kernel(kAdvanceSource, "advance");
  if (queue != nullptr && kernel != nullptr) {
    const auto data = pattern(kWords, 10);
    cl_mem buffer = session.buffer(kWords * 4, data.data());
    clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
    chain(session, queue, kernel, buffer);
    barriers(session, queue, kernel, buffer);
    markers(session, queue, kernel, buffer);
    across_queues(session, queue, kernel, buffer);
    clReleaseMemObject(buffer);
  }
  if (queue != nullptr) clReleaseCommandQueue(queue);
  if (kernel != nullptr) clReleaseKernel(kernel);
}

// A topic of its own: some drivers end the process here.
void run_queue_wait(Session& session) {
  cl_event mark = nullptr;
  clEnqueueMarkerWithWaitList(session.queue, 0, nullptr, &mark);
  say("wait %s", error_name(clEnqueueWaitForEvents(session.queue, 1, &mark)).c_str());
  clReleaseEvent(mark);
}

}  // namespace flexai::test
