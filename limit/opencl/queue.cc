#include "limit/opencl/queue.h"

#include <algorithm>

namespace flexai::limit::opencl {

using base::MutexLock;

namespace {

// Predicted time between two callbacks on an in-order queue. A callback costs the program's CPU
// and, with short kernels, a tenth of the card, so even while others wait not every command has
// one: the last before the program waits always has.
constexpr Nanos kShortestBatch = 40 * base::kMicrosecond;
constexpr Nanos kLongestBatch = 2 * base::kMillisecond;
constexpr Nanos kBatchesInFlight = 8;
constexpr Nanos kBatchesInFlightExact = 12;
constexpr uint32_t kSurelyKnown = 4;  // samples after which an entry is not timed at every use

const Table& next() { return Process::get().next(); }

}  // namespace

Nanos device_time(const Table& next, cl_event event) {
  cl_ulong start = 0, end = 0;
  if (next.clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start,
                                   nullptr) != CL_SUCCESS ||
      next.clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, nullptr) !=
          CL_SUCCESS ||
      end < start)
    return -1;
  return static_cast<Nanos>(end - start);
}

Nanos Queue::measure(cl_event event, const CostTable::Entry* entry, Nanos since) {
  Nanos now = since != 0 ? base::monotonic_now() : 0;
  Nanos started = since;
  if (since != 0) {
    MutexLock lock(mutex_);
    started = std::max(since, ended_);
    ended_ = now;
  }
  if (entry != nullptr && entry->timed_by_host.load(std::memory_order_relaxed) && since != 0)
    return now - started;
  return event != nullptr ? device_time(next(), event) : -1;
}

void Queue::submitted(cl_event event, Nanos predicted, CostTable::Entry* entry) {
  if (!in_order()) {
    follow(event, predicted, entry);
    return;
  }
  Nanos batches = tenant_->exact() ? kBatchesInFlightExact : kBatchesInFlight;
  Nanos stretch = std::clamp(tenant_->in_flight_bound() / batches, kShortestBatch, kLongestBatch);
  bool by_host = entry->timed_by_host.load(std::memory_order_relaxed);
  bool young = by_host || entry->samples.load(std::memory_order_relaxed) < kSurelyKnown;
  Nanos since = by_host ? base::monotonic_now() : 0;
  Nanos expected = entry->cost.load(std::memory_order_relaxed);
  cl_event previous;
  Mark upto;
  {
    MutexLock lock(mutex_);
    submitted_.booked += predicted;
    submitted_.expected += expected;
    ++submitted_.count;
    previous = last_;
    last_ = event;
    last_expected_ = expected;
    last_since_ = since;
    last_entry_ = entry;
    // The batch length varies, so that in a periodic program every kind of command is timed in
    // turn.
    jitter_ = jitter_ * 1664525u + 1013904223u;
    Nanos threshold = stretch / 2 + static_cast<Nanos>(jitter_ >> 8) % stretch;
    if (young || submitted_.booked - reported_upto_ >= threshold) {
      upto = submitted_;
      reported_upto_ = upto.booked;
    }
  }
  if (previous != nullptr) next().clReleaseEvent(previous);
  if (upto.booked == 0) return;
  next().clRetainEvent(event);
  report(event, {shared_from_this(), upto, expected, entry, since});
}

bool Queue::report(cl_event event, Batch what) {
  auto* batch = new Batch(std::move(what));
  if (next().clSetEventCallback(event, CL_COMPLETE, on_complete, batch) == CL_SUCCESS) return true;
  next().clReleaseEvent(event);
  delete batch;
  return false;
}

void Queue::follow(cl_event event, Nanos predicted, CostTable::Entry* entry) {
  Nanos since = entry != nullptr && entry->timed_by_host ? base::monotonic_now() : 0;
  if (!report(event, {shared_from_this(), {}, predicted, entry, since}))
    tenant_->settle(predicted, predicted);
}

// Runs on a thread of the driver.
void CL_CALLBACK Queue::on_complete(cl_event event, cl_int status, void* user) {
  std::unique_ptr<Batch> batch(static_cast<Batch*>(user));
  Nanos measured =
      status == CL_COMPLETE ? batch->queue->measure(event, batch->entry, batch->since) : 0;
  if (status == CL_COMPLETE && measured >= 0 && batch->entry != nullptr)
    CostTable::learn(*batch->entry, measured);
  if (batch->upto.booked == 0) {
    batch->queue->tenant_->settle(batch->predicted, measured >= 0 ? measured : batch->predicted);
  } else {
    batch->queue->settle_upto(batch->upto, batch->predicted, measured);
  }
  next().clReleaseEvent(event);
}

void Queue::settle_upto(const Mark& upto, Nanos expected_last, Nanos measured_last) {
  Mark over;
  {
    MutexLock lock(mutex_);
    over.booked = upto.booked - settled_.booked;
    if (over.booked <= 0) return;
    over.expected = upto.expected - settled_.expected;
    over.count = upto.count - settled_.count;
    settled_ = upto;
  }
  Nanos measured = measured_last >= 0
                       ? std::max<Nanos>(over.expected - expected_last, 0) + measured_last
                       : over.expected;
  tenant_->settle(over.booked, measured, over.count);
}

void Queue::all_over() {
  cl_event last = nullptr;
  Mark upto;
  Nanos expected, since;
  CostTable::Entry* entry;
  bool settled;
  {
    MutexLock lock(mutex_);
    upto = submitted_;
    expected = last_expected_;
    since = last_since_;
    entry = last_entry_;
    last = last_;
    last_ =
        nullptr;  // also when callbacks have settled everything: an event kept would keep its queue
    settled = upto.booked == settled_.booked;
  }
  if (settled) {
    if (last != nullptr) next().clReleaseEvent(last);
    return;
  }
  Nanos measured = measure(last, entry, since);
  if (measured >= 0 && entry != nullptr) CostTable::learn(*entry, measured);
  if (last != nullptr) next().clReleaseEvent(last);
  settle_upto(upto, expected, measured);
}

void Queue::over(cl_event event) {
  {
    MutexLock lock(mutex_);
    if (last_ != event || submitted_.booked == settled_.booked) return;
  }
  all_over();
}

void Queue::look(bool start) {
  cl_event last;
  Mark upto;
  Nanos expected, since;
  CostTable::Entry* entry;
  {
    MutexLock lock(mutex_);
    if (last_ == nullptr || submitted_.booked == settled_.booked) return;
    since = last_since_;
    entry = last_entry_;
    last = last_;
    last_ = nullptr;  // ours while we ask; nobody can settle with it twice
    upto = submitted_;
    expected = last_expected_;
  }
  // A driver may keep what it was given until it is told to start: without this, who waits for room
  // waits for ever.
  if (start) next().clFlush(handle_);
  cl_int status = CL_QUEUED;
  bool told = next().clGetEventInfo(last, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                                    nullptr) == CL_SUCCESS;
  if (told && status <= CL_COMPLETE) {
    settle_upto(upto, expected, status == CL_COMPLETE ? measure(last, entry, since) : 0);
  } else {
    bool tell = false;
    {
      MutexLock lock(mutex_);
      bool still = last_ == nullptr && submitted_.booked == upto.booked;
      // Nothing may follow it that would be reported, and the card is not free for others before
      // its end is known.
      tell = start && upto.booked > reported_upto_;
      if (tell) reported_upto_ = upto.booked;
      if (still) {
        last_ = last;
        if (!tell) return;
        next().clRetainEvent(last);
      }
    }
    if (tell) {
      report(last, {shared_from_this(), upto, expected, entry, since});
      return;
    }
  }
  next().clReleaseEvent(last);
}

void Queue::last_chance() {
  cl_event last;
  Batch batch;
  bool over;
  {
    MutexLock lock(mutex_);
    if (last_ == nullptr) return;
    last = last_;
    last_ = nullptr;
    over = submitted_.booked == settled_.booked;
    if (!over) batch = {nullptr, submitted_, last_expected_, last_entry_, last_since_};
  }
  if (over) {
    next().clReleaseEvent(last);
    return;
  }
  batch.queue = shared_from_this();
  report(last, std::move(batch));
}

bool Queue::unreported() {
  MutexLock lock(mutex_);
  return submitted_.booked > std::max(reported_upto_, settled_.booked);
}

bool Queue::pending() {
  MutexLock lock(mutex_);
  return submitted_.booked != settled_.booked;
}

Queues& Queues::get() {
  static Queues* queues = new Queues();
  return *queues;
}

void Queues::add(std::shared_ptr<Queue> queue) {
  MutexLock lock(mutex_);
  queues_[queue->handle()] = std::move(queue);
}

void Queues::remove(cl_command_queue handle) {
  std::shared_ptr<Queue> gone;
  MutexLock lock(mutex_);
  auto it = queues_.find(handle);
  if (it == queues_.end()) return;
  gone = std::move(it->second);
  queues_.erase(it);
  generation_.fetch_add(1, std::memory_order_release);
}

std::shared_ptr<Queue> Queues::find_shared(cl_command_queue handle) {
  MutexLock lock(mutex_);
  auto it = queues_.find(handle);
  return it == queues_.end() ? nullptr : it->second;
}

Queue* Queues::find(cl_command_queue handle) {
  thread_local cl_command_queue known = nullptr;
  thread_local Queue* known_queue = nullptr;
  thread_local uint64_t known_generation = 0;
  uint64_t generation = generation_.load(std::memory_order_acquire);
  if (handle == known && generation == known_generation) return known_queue;
  MutexLock lock(mutex_);
  auto it = queues_.find(handle);
  if (it == queues_.end()) return nullptr;
  known = handle;
  known_queue = it->second.get();
  known_generation = generation;
  return known_queue;
}

bool Queues::harvest(Tenant* tenant, bool start) {
  std::vector<std::shared_ptr<Queue>> mine;
  {
    MutexLock lock(mutex_);
    for (auto& [handle, queue] : queues_)
      if (queue->tenant() == tenant && queue->pending()) mine.push_back(queue);
  }
  bool unreported = false;
  for (auto& queue : mine) {
    queue->look(start);
    unreported = queue->unreported() || unreported;
  }
  return unreported;
}

}  // namespace flexai::limit::opencl
