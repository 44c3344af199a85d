#include "remote/opencl/worker/drain.h"

#include <chrono>
#include <future>
#include <thread>

#include "remote/opencl/worker/contents.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using base::Nanos;

namespace {

constexpr std::chrono::microseconds kLook{200};

// Tells when `runner` has done what was posted to it so far.
std::future<void> idle(Runner& runner) {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  runner.post([done] { done->set_value(); });
  return future;
}

bool await(std::future<void>& what, Nanos deadline) {
  const std::chrono::nanoseconds left(std::max<Nanos>(deadline - base::monotonic_now(), 0));
  return what.wait_for(left) == std::future_status::ready;
}

}  // namespace

base::Error still_busy() {
  return fail(Code::kTimeout,
              "commands of the program are still under way; it may be waiting for an event that it "
              "sets itself: try again later");
}

// Everything that was begun is over: a marker behind it in each queue, and the bytes that are
// between the client and a command have come or gone.
base::Status drain(Worker& worker, Nanos deadline) {
  const Table& table = worker.table();
  // They may not come for long; the client brings them itself later.
  worker.landings().forget_all();
  std::vector<std::future<void>> ends;
  for (const auto& queue : worker.handles().all(kCommandQueue)) {
    auto* const handle = static_cast<cl_command_queue>(queue.object);
    cl_event marker = nullptr;
    const cl_int code = table.clEnqueueMarkerWithWaitList(handle, 0, nullptr, &marker);
    if (code != CL_SUCCESS) return driver_failed("waiting for a queue", code);
    auto done = std::make_shared<std::promise<void>>();
    ends.push_back(done->get_future());
    worker.watches().add(marker, [done](cl_event, cl_int) { done->set_value(); });
    table.clReleaseEvent(marker);
    table.clFlush(handle);
  }
  for (auto& end : ends)
    if (!await(end, deadline)) return still_busy();
  for (Runner* runner : {&worker.receiver(), &worker.sender()}) {
    auto end = idle(*runner);
    if (!await(end, deadline)) return still_busy();
  }
  while (!worker.watches().quiet()) {
    if (base::monotonic_now() >= deadline) return still_busy();
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

}  // namespace flexai::remote::opencl
