#include "remote/opencl/worker/watches.h"

#include <memory>
#include <vector>

#include "base/futex.h"

namespace flexai::remote::opencl {

using base::MutexLock;

namespace {
constexpr base::Nanos kPause = 100 * base::kMillisecond;
}

struct Watches::Ticket {
  Watches* watches;
  uint64_t id;
};

void Watches::add(cl_event event, Then then) {
  table_.clRetainEvent(event);
  uint64_t id = 0;
  bool wake = false;
  {
    MutexLock lock(mutex_);
    id = ++last_;
    watches_[id] = {event, std::move(then)};
    if (!sweeper_.joinable()) sweeper_ = std::thread([this] { run(); });
    wake = sleeps_;
    sleeps_ = false;
  }
  if (wake) {
    changed_.fetch_add(1, std::memory_order_release);
    base::futex_wake(&changed_, 1);
  }
  auto* ticket = new Ticket{this, id};
  const cl_int code = table_.clSetEventCallback(event, CL_COMPLETE, on_event, ticket);
  if (code == CL_SUCCESS) return;
  delete ticket;
  end(id, code);
}

void CL_CALLBACK Watches::on_event(cl_event, cl_int status, void* data) {
  std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(data));
  ticket->watches->end(ticket->id, status);
}

void Watches::end(uint64_t id, cl_int status) {
  Watch watch;
  {
    MutexLock lock(mutex_);
    auto found = watches_.find(id);
    if (found == watches_.end()) return;
    watch = std::move(found->second);
    watches_.erase(found);
    ++ending_;
  }
  watch.then(watch.event, status);
  table_.clReleaseEvent(watch.event);
  MutexLock lock(mutex_);
  --ending_;
}

bool Watches::quiet() {
  MutexLock lock(mutex_);
  return watches_.empty() && ending_ == 0;
}

void Watches::sweep() {
  std::vector<std::pair<uint64_t, cl_event>> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, watch] : watches_) {
      table_.clRetainEvent(watch.event);  // it may end while we look
      all.emplace_back(id, watch.event);
    }
  }
  for (const auto& [id, event] : all) {
    cl_int status = CL_QUEUED;
    if (table_.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                              nullptr) == CL_SUCCESS &&
        status <= CL_COMPLETE)
      end(id, status);
    table_.clReleaseEvent(event);
  }
}

void Watches::run() {
  for (;;) {
    const uint32_t seen = changed_.load(std::memory_order_acquire);
    bool idle = false;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      idle = sleeps_ = watches_.empty();
    }
    if (base::futex_wait(&changed_, seen, idle ? 0 : base::monotonic_now() + kPause) || idle)
      continue;
    sweep();
  }
}

Watches::~Watches() {
  std::thread sweeper;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    sweeper.swap(sweeper_);
  }
  changed_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&changed_, 1);
  if (sweeper.joinable()) sweeper.join();
}

}  // namespace flexai::remote::opencl
