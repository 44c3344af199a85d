#include "remote/opencl/client/event.h"

#include "remote/opencl/client/client.h"

namespace flexai::remote::opencl {

void Event::expect(const Landing& into) {
  landing = into;
  wire::Bulk* bulk = Client::get().bulk();
  if (bulk != nullptr && into.at != nullptr && into.whole() && into.size() >= kBulkBytes)
    by_bulk = bulk->expect(id, {into.at, into.size()}).ok();
}

void Event::expect_nothing() {
  if (by_bulk) Client::get().bulk()->cancel_receive(id);
}

void Event::finish(cl_int end) {
  expect_nothing();  // all is there, or never will be
  std::vector<Waiter> call;
  {
    base::MutexLock lock(mutex);
    if (status.load() <= CL_COMPLETE) return;
    call.swap(waiters);
    if (queue() != nullptr) queue()->ended.fetch_add(1, std::memory_order_relaxed);
    status.store(end, std::memory_order_release);
  }
  if (call.empty()) return;
  hold(this);
  Client::get().call_back([this, call = std::move(call), end] {
    for (const Waiter& each : call)
      each.call(handle_of<cl_event>(this), end < 0 ? end : each.when, each.data);
    drop(this);
  });
}

}  // namespace flexai::remote::opencl
