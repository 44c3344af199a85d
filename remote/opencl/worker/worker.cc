#include "remote/opencl/worker/worker.h"

#include <utility>

#include "base/log.h"
#include "remote/completions.h"
#include "remote/opencl/link_calls.h"
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/long_calls.h"
#include "remote/opencl/worker/moves.h"
#include "remote/opencl/worker/scrub.h"

namespace flexai::remote::opencl {

Worker::Worker(wire::Session& session, Granted granted)
    : session_(session), granted_(std::move(granted)), hold_(session) {
  granted_.table = with_long_calls(granted_.table, hold_);
}

base::Result<std::unique_ptr<Worker>> Worker::make(wire::Session& session, Granted granted) {
  std::unique_ptr<Worker> worker(new Worker(session, std::move(granted)));
  FLEXAI_TRY_ASSIGN(worker->dispatcher_, Dispatcher::make(session));
  FLEXAI_TRY_ASSIGN(worker->bulk_, wire::Bulk::make(session));
  return worker;
}

Worker::~Worker() {
  watches_.close();  // what is done at ends uses the rest
  forget_lasts();
  handles_.clear([this](Kind kind, void* object) { release(kind, object); });
}

base::Status Worker::take_output() {
  FLEXAI_TRY_ASSIGN(printed_, Printed::take([this](wire::Bytes bytes) {
                      [[maybe_unused]] auto sent =
                          dispatcher_->push(kPrinted, bytes, wire::Push::kLater);
                    }));
  return {};
}

void Worker::carry_printed() {
  if (printed_ != nullptr) printed_->drain();
}

base::Status Worker::run() {
  return dispatcher_->run([this](const Call& call) -> base::Status {
    ++calls_;
    if (!hold_.enter()) return session_.status();
    Incoming incoming(*this, call);
    const bool known =
        call.entry < kFirstOwnEntry ? serve(incoming, call.entry) : serve_own(incoming, call.entry);
    recordings_.note(call, incoming);
    hold_.leave();
    if (!known) return base::fail(base::Code::kCorrupt, "no entry " + std::to_string(call.entry));
    return broken_;
  });
}

void Worker::take_links(Links& links) {
  if ((session_.features() & kLinkFeature) == 0) return;
  links_ = &links;
  links.land(
      {[this](const MoveTicket& ticket, uint64_t size) { return landings_.open(ticket, size); },
       [this](const MoveTicket& ticket, bool there) { return landings_.close(ticket, there); }});
}

void Worker::cloned(ObjectId kernel, ObjectId clone) {
  auto named = arguments_.find(kernel);
  if (named != arguments_.end()) arguments_[clone] = KernelArguments(named->second);
}

void Worker::gone(ObjectId id, Kind kind) {
  if (kind == kKernel) arguments_.erase(id);
  if (kind == kCommandBuffer) recordings_.forget(id);
}

void Worker::leave() {
  std::vector<cl_command_queue> queues;
  std::vector<cl_mem> objects;
  handles_.clear([&](Kind kind, void* object) {
    if (kind == kCommandQueue) queues.push_back(static_cast<cl_command_queue>(object));
    if (kind == kMem) objects.push_back(static_cast<cl_mem>(object));
  });
  const size_t left = scrub(table(), queues, objects);
  if (left != 0)
    base::log(base::Level::kWarn, "worker", "memory of a card was not overwritten",
              {{"objects", std::to_string(left)}});
}

void Worker::release(Kind kind, void* object) {
  const Table& table = granted_.table;
  switch (kind) {
    case kCommandBuffer:
      table.clReleaseCommandBufferKHR(static_cast<cl_command_buffer_khr>(object));
      break;
    case kCommandQueue:
      table.clReleaseCommandQueue(static_cast<cl_command_queue>(object));
      break;
    case kContext:
      table.clReleaseContext(static_cast<cl_context>(object));
      break;
    case kDevice:
      table.clReleaseDevice(static_cast<cl_device_id>(object));
      break;
    case kEvent:
      table.clReleaseEvent(static_cast<cl_event>(object));
      break;
    case kKernel:
      table.clReleaseKernel(static_cast<cl_kernel>(object));
      break;
    case kMem:
      table.clReleaseMemObject(static_cast<cl_mem>(object));
      break;
    case kProgram:
      table.clReleaseProgram(static_cast<cl_program>(object));
      break;
    case kSampler:
      table.clReleaseSampler(static_cast<cl_sampler>(object));
      break;
    default:
      break;
  }
}

void Worker::retain(Kind kind, void* object) {
  const Table& table = granted_.table;
  switch (kind) {
    case kCommandQueue:
      table.clRetainCommandQueue(static_cast<cl_command_queue>(object));
      break;
    case kContext:
      table.clRetainContext(static_cast<cl_context>(object));
      break;
    case kEvent:
      table.clRetainEvent(static_cast<cl_event>(object));
      break;
    case kKernel:
      table.clRetainKernel(static_cast<cl_kernel>(object));
      break;
    case kMem:
      table.clRetainMemObject(static_cast<cl_mem>(object));
      break;
    case kProgram:
      table.clRetainProgram(static_cast<cl_program>(object));
      break;
    case kSampler:
      table.clRetainSampler(static_cast<cl_sampler>(object));
      break;
    default:
      break;
  }
}

void Worker::keep_event(ObjectId id, cl_event event) {
  keep_event(id, event, [this, id](cl_event ended, cl_int status) {
    completed(id, status, times_of(ended, ended));
  });
}

void Worker::keep_event(ObjectId id, cl_event event, Watches::Then then) {
  if (!handles_.add(id, kEvent, event).ok()) {
    then(event, CL_OUT_OF_HOST_MEMORY);
    table().clReleaseEvent(event);
    return;
  }
  watches_.add(event, std::move(then));
}

void Worker::fail_event(ObjectId id, cl_int code) {
  [[maybe_unused]] auto kept = handles_.add_failed(id, kEvent, code);
  completed(id, code);
}

Worker::Times Worker::times_of(cl_event first, cl_event last) const {
  constexpr cl_profiling_info kWhat[] = {CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
                                         CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
  Times times{};
  for (size_t i = 0; i < times.size(); ++i) {
    cl_ulong time = 0;
    if (table().clGetEventProfilingInfo(i < 3 ? first : last, kWhat[i], sizeof time, &time,
                                        nullptr) != CL_SUCCESS)
      return {};
    times[i] = time;
  }
  return times;
}

void Worker::completed(ObjectId id, cl_int status, const Times& times) {
  carry_printed();
  wire::Writer writer;
  encode({Completion{.event = id, .status = status, .times = times}}, writer);
  const auto push = Watches::among_others() ? wire::Push::kHeld : wire::Push::kNow;
  [[maybe_unused]] auto sent = dispatcher_->push(kCompletions, writer.bytes(), push);
}

void Worker::send_read(ObjectId event, const Staging& data, cl_int status, const Times& times) {
  if (status < 0) return completed(event, status);
  if (data.size >= kBulkBytes) {
    sender_.post([this, event, data, times] {
      auto sent = bulk_->send(event, data.span());
      if (sent.ok()) sent = bulk_->wait_sent(event, 0);
      completed(event, sent.ok() ? CL_COMPLETE : CL_OUT_OF_RESOURCES, times);
    });
    return;
  }
  for (size_t at = 0; at < data.size; at += kPartBytes) {
    wire::Writer head;
    head.handle(event);
    head.u64(at);
    head.raw(data.span().subspan(at, std::min(kPartBytes, data.size - at)));
    [[maybe_unused]] auto sent = dispatcher_->push(kReadData, head.bytes(), wire::Push::kLater);
  }
  completed(event, status, times);
}

Staging Worker::take(const Data& data) {
  Staging staging = Staging::make(data.size);
  if (staging.data() == nullptr) return staging;
  if (data.bulk == 0) {
    if (data.size != 0) std::memcpy(staging.data(), data.bytes.data(), data.size);
    return staging;
  }
  auto came = bulk_->expect(data.bulk, staging.span());
  if (came.ok()) came = bulk_->wait_received(data.bulk, 0);
  return came.ok() ? staging : Staging{};
}

void Worker::put_last(ObjectId queue, cl_event event) {
  auto [at, fresh] = ends_.try_emplace(queue);
  if (fresh) {
    auto found = handles_.find(queue, kCommandQueue);
    cl_command_queue_properties is = CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
    if (found.ok() && found->object != nullptr)
      table().clGetCommandQueueInfo(static_cast<cl_command_queue>(found->object),
                                    CL_QUEUE_PROPERTIES, sizeof is, &is, nullptr);
    at->second.ordered = (is & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0;
  }
  QueueEnd& end = at->second;
  if (!end.ordered) return;
  table().clRetainEvent(event);
  if (end.last != nullptr) table().clReleaseEvent(end.last);
  end.last = event;
}

cl_event Worker::take_last(ObjectId queue) {
  auto found = ends_.find(queue);
  return found == ends_.end() ? nullptr : std::exchange(found->second.last, nullptr);
}

void Worker::forget_lasts() {
  for (auto& [queue, end] : ends_)
    if (cl_event last = std::exchange(end.last, nullptr); last != nullptr)
      table().clReleaseEvent(last);
}

void Worker::forget_queue(ObjectId queue) {
  if (cl_event last = take_last(queue); last != nullptr) table().clReleaseEvent(last);
  ends_.erase(queue);
}

ContextListener& Worker::listener(ObjectId context) {
  // Ids that no client of ours would give share one: the context will not be kept.
  const auto index = static_cast<uint32_t>(context);
  ContextListener& found = listeners_[index <= kMostObjects ? index : 0];
  found.worker = this;
  found.context = context;
  return found;
}

void Worker::take_listeners(std::unordered_map<uint32_t, ContextListener>& listeners) {
  listeners_.swap(listeners);
  for (auto& [index, listener] : listeners_) listener.worker = this;
}

void Worker::context_news(ObjectId context, std::string_view text, wire::Bytes more) {
  wire::Writer writer;
  writer.handle(context);
  writer.text(text.substr(0, kMostNews));
  writer.blob(more.first(std::min<size_t>(more.size(), kMostNews)));
  [[maybe_unused]] auto sent = dispatcher_->push(kContextNews, writer.bytes(), wire::Push::kLater);
}

void Worker::failed_later(ObjectId queue, uint16_t entry, cl_int code) {
  deferred_.add({.queue = queue, .call = calls_, .entry = entry, .code = code});
}

}  // namespace flexai::remote::opencl
