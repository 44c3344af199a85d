#include "remote/opencl/client/event.h"

#include "remote/opencl/client/client.h"

namespace flexai::remote::opencl {

bool Event::expect(const Landing& into) {
  landing = into;
  wire::Bulk* to = Client::of(*this).bulk();
  if (to == nullptr || into.at == nullptr || into.size() < kBulkBytes) return true;
  if (Client::of(*this).in_child()) return false;
  std::byte* place = into.at;
  if (!into.whole()) {
    bulk.reset(new (std::nothrow) std::byte[into.size()]);
    place = bulk.get();
  }
  receives = place != nullptr && to->expect(id, {place, into.size()}).ok();
  return receives;
}

bool Event::send(wire::Bytes bytes, std::unique_ptr<std::byte[]> gathered) {
  wire::Bulk* to = Client::of(*this).bulk();
  sends = to != nullptr && !Client::of(*this).in_child() && to->send(id, bytes).ok();
  if (sends) bulk = std::move(gathered);
  return sends;
}

void Event::let_go() {
  if (Client::of(*this).in_child()) return;  // its bulk transfers are the parent's
  if (receives) Client::of(*this).bulk()->cancel_receive(id);
  if (sends) Client::of(*this).bulk()->cancel_send(id);
  receives = sends = false;
}

void Event::finish(cl_int end) {
  const bool beside = receives && bulk != nullptr;
  let_go();  // all is there, or never will be
  if (beside && end == CL_COMPLETE) land(landing, 0, {bulk.get(), landing.size()});
  bulk.reset();
  if (pristine != nullptr && end == CL_COMPLETE) pristine->fill(landing);
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
  Client::of(*this).call_back([this, call = std::move(call), end] {
    for (const Waiter& each : call)
      each.call(handle_of<cl_event>(this), end < 0 ? end : each.when, each.data);
    drop(this);
  });
}

}  // namespace flexai::remote::opencl
