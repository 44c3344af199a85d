// Event callbacks, destructor callbacks of buffers and contexts.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

struct Seen {
  std::atomic<int> calls{0};
  std::atomic<int> last_status{-999};
};

void CL_CALLBACK on_event(cl_event, cl_int status, void* user) {
  auto* seen = static_cast<Seen*>(user);
  seen->last_status = status;
  ++seen->calls;
}

// Callbacks may come after clFinish has returned.
bool wait_for(const std::atomic<int>& calls, int count) {
  for (int i = 0; i < 5000 && calls < count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return calls >= count;
}

void event_callbacks(Session& s) {
  constexpr int kEvents = 200;
  cl_kernel kernel = s.kernel(kAdvanceSource, "advance");
  if (kernel == nullptr) return;
  const auto data = pattern(256, 5);
  cl_mem a = s.buffer(1024, data.data());
  clSetKernelArg(kernel, 0, sizeof(a), &a);
  Seen complete, submitted, running;
  const size_t size = 256;
  for (int i = 0; i < kEvents; ++i) {
    cl_event event = nullptr;
    clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, &event);
    clSetEventCallback(event, CL_COMPLETE, on_event, &complete);
    clSetEventCallback(event, CL_RUNNING, on_event, &running);
    clSetEventCallback(event, CL_SUBMITTED, on_event, &submitted);
    clReleaseEvent(event);
  }
  clFinish(s.queue);
  say("complete %s", wait_for(complete.calls, kEvents) ? "all" : "some");
  say("running %s", wait_for(running.calls, kEvents) ? "all" : "some");
  say("submitted %s", wait_for(submitted.calls, kEvents) ? "all" : "some");
  say("status %d calls %d", complete.last_status.load(), complete.calls.load());
  say("content %s", fingerprint(s.words(s.queue, a, 256)).c_str());
  clReleaseMemObject(a);
  clReleaseKernel(kernel);
}

void late_callback(Session& s) {
  cl_event event = nullptr;
  clEnqueueMarkerWithWaitList(s.queue, 0, nullptr, &event);
  clWaitForEvents(1, &event);
  Seen seen;
  say("late %s", error_name(clSetEventCallback(event, CL_COMPLETE, on_event, &seen)).c_str());
  say("late calls %s", wait_for(seen.calls, 1) ? "1" : "0");
  say("null callback %s",
      error_name(clSetEventCallback(event, CL_COMPLETE, nullptr, nullptr)).c_str());
  say("bad type %s", error_name(clSetEventCallback(event, 77, on_event, &seen)).c_str());
  clReleaseEvent(event);
}

struct Trail {
  std::string letters;
  std::atomic<int> calls{0};
};
template <char kLetter>
void CL_CALLBACK on_destroy(cl_mem, void* user) {
  auto* trail = static_cast<Trail*>(user);
  trail->letters += kLetter;
  ++trail->calls;
}

void destructor_callbacks(Session& s) {
  Trail trail;
  cl_mem a = s.buffer(4096);
  clSetMemObjectDestructorCallback(a, on_destroy<'1'>, &trail);
  clSetMemObjectDestructorCallback(a, on_destroy<'2'>, &trail);
  clSetMemObjectDestructorCallback(a, on_destroy<'3'>, &trail);
  clRetainMemObject(a);
  clReleaseMemObject(a);
  say("before the last release %d", trail.calls.load());
  clReleaseMemObject(a);
  wait_for(trail.calls, 3);
  say("order %s", trail.letters.c_str());
}

void CL_CALLBACK on_context(cl_context, void* user) { ++*static_cast<std::atomic<int>*>(user); }

void context_callback(Session& s) {
  cl_int error = CL_SUCCESS;
  std::atomic<int> calls{0};
  cl_context context = clCreateContext(nullptr, 1, &s.device, nullptr, nullptr, &error);
  if (error != CL_SUCCESS) return say("context %s", error_name(error).c_str());
  const cl_int set = clSetContextDestructorCallback(context, on_context, &calls);
  say("context callback %s", error_name(set).c_str());
  clReleaseContext(context);
  say("context calls %d", set == CL_SUCCESS && wait_for(calls, 1) ? 1 : 0);
}

}  // namespace

void run_callbacks(Session& session) {
  event_callbacks(session);
  late_callback(session);
  destructor_callbacks(session);
  context_callback(session);
}

}  // namespace flexai::test
