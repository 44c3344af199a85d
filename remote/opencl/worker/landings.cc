#include "remote/opencl/worker/landings.h"

#include <chrono>
#include <utility>
#include <vector>

#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using base::monotonic_now;

namespace {
constexpr std::chrono::seconds kOnItsWay{5};
}  // namespace

struct Landings::Landing {
  std::shared_ptr<Gate> end;
  std::span<std::byte> bytes;
  base::Nanos until = 0;
  const Table* table = nullptr;
  cl_event there = nullptr, over = nullptr;  // held

  ~Landing() {
    for (cl_event each : {there, over})
      if (each != nullptr) table->clReleaseEvent(each);
  }
};

namespace {

// Not by a callback: those of short commands that follow each other come together, later.
bool ended(const Table& table, cl_event event) {
  cl_int status = CL_QUEUED;
  return table.clWaitForEvents(1, &event) == CL_SUCCESS &&
         table.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                              nullptr) == CL_SUCCESS &&
         status == CL_COMPLETE;
}

}  // namespace

cl_int Landings::expect(Incoming& call, const BufferRange& range, const MoveTicket& ticket,
                        ObjectId event) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMost || waiting_.count(ticket) != 0 || spent_.count(ticket) != 0)
      return CL_OUT_OF_RESOURCES;
  }
  Worker& worker = call.worker();
  const Table& table = call.table();
  cl_int code = CL_SUCCESS;
  auto landing = std::make_shared<Landing>();
  landing->end = Gate::make(worker, range.queue, code);
  if (landing->end == nullptr) return code;
  const auto end = landing->end->with({});
  landing->table = &table;
  void* at =
      table.clEnqueueMapBuffer(range.queue, range.buffer, CL_FALSE, CL_MAP_WRITE_INVALIDATE_REGION,
                               range.offset, range.size, 0, nullptr, &landing->there, &code);
  if (code != CL_SUCCESS || at == nullptr) return code != CL_SUCCESS ? code : CL_MAP_FAILURE;
  landing->bytes = {static_cast<std::byte*>(at), range.size};
  code =
      table.clEnqueueUnmapMemObject(range.queue, range.buffer, at, 1, end.data(), &landing->over);
  if (code != CL_SUCCESS) return code;
  landing->until = monotonic_now() + kLife;
  table.clRetainEvent(landing->over);
  worker.keep_event(event, landing->over,
                    [&worker, event](cl_event, cl_int) { worker.completed(event, CL_COMPLETE); });
  table.clFlush(range.queue);
  std::lock_guard lock(mutex_);
  waiting_[ticket] = std::move(landing);
  changed_.notify_all();
  return CL_SUCCESS;
}

void Landings::give_up(const Found& landing) { landing->end->open(CL_COMPLETE); }

// Takes it out of those that wait.
Landings::Found Landings::take(const MoveTicket& ticket, uint64_t size) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kOnItsWay,
                    [&] { return waiting_.count(ticket) != 0 || spent_.count(ticket) != 0; });
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end() || found->second->bytes.size() != size) return nullptr;
  Found landing = std::move(found->second);
  waiting_.erase(found);
  spend(ticket);
  return landing;
}

void Landings::spend(const MoveTicket& ticket) {
  if (spent_.insert(ticket).second) spent_order_.push_back(ticket);
  if (spent_order_.size() > kMostSpent) {
    spent_.erase(spent_order_.front());
    spent_order_.pop_front();
  }
  changed_.notify_all();
}

void Landings::forget(const MoveTicket& ticket) {
  Found landing;
  {
    std::lock_guard lock(mutex_);
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end()) return;
    landing = std::move(found->second);
    waiting_.erase(found);
    spend(ticket);
  }
  give_up(landing);
}

void Landings::forget_all() {
  std::map<MoveTicket, Found> all;
  {
    std::lock_guard lock(mutex_);
    all.swap(waiting_);
    for (auto& [ticket, landing] : all) spend(ticket);
  }
  for (auto& [ticket, landing] : all) give_up(landing);
}

base::Result<std::span<std::byte>> Landings::open(const MoveTicket& ticket, uint64_t size) {
  const Found landing = take(ticket, size);
  if (landing == nullptr) return fail(Code::kDenied, "a ticket that is not known");
  if (landing->until >= monotonic_now() && ended(*landing->table, landing->there)) {
    std::lock_guard lock(mutex_);
    open_[ticket] = landing;
    return landing->bytes;
  }
  landing->end->open(CL_COMPLETE);
  return fail(Code::kDenied, "a ticket that is too old, or the driver does not map its place");
}

base::Status Landings::close(const MoveTicket& ticket, bool there) {
  Found landing;
  {
    std::lock_guard lock(mutex_);
    const auto found = open_.find(ticket);
    if (found == open_.end()) return fail(Code::kInternal, "a ticket that is not open");
    landing = std::move(found->second);
    open_.erase(found);
  }
  landing->end->open(CL_COMPLETE);
  if (!ended(*landing->table, landing->over) || !there)
    return fail(Code::kUnavailable, "the bytes have not come whole");
  return {};
}

}  // namespace flexai::remote::opencl
