#include "remote/opencl/client/event.h"

#include <algorithm>
#include <cstring>

#include "remote/opencl/client/client.h"

namespace flexai::remote::opencl {

void land(const Landing& landing, size_t offset, wire::Bytes bytes) {
  if (landing.at == nullptr || offset > landing.size() || bytes.size() > landing.size() - offset)
    return;
  if (landing.whole()) {
    if (!bytes.empty()) std::memcpy(landing.at + offset, bytes.data(), bytes.size());
    return;
  }
  while (!bytes.empty()) {
    const size_t row = offset / landing.row, in_row = offset % landing.row;
    const size_t size = std::min(bytes.size(), landing.row - in_row);
    std::byte* to = landing.at + row / landing.rows * landing.slice_pitch +
                    row % landing.rows * landing.row_pitch + in_row;
    std::memcpy(to, bytes.data(), size);
    bytes = bytes.subspan(size);
    offset += size;
  }
}

void gather(const Landing& from, std::byte* to) {
  for (size_t slice = 0; slice < from.slices; ++slice)
    for (size_t row = 0; row < from.rows; ++row, to += from.row)
      std::memcpy(to, from.at + slice * from.slice_pitch + row * from.row_pitch, from.row);
}

void Event::finish(cl_int end) {
  if (landing.bulk) Client::get().bulk()->cancel_receive(id);  // all there, or never
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
