#include "wire/lane.h"

#include <unistd.h>

#include <algorithm>

#include "wire/waiter.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::MutexLock;
using base::Nanos;

Lane::Lane(Session& session, uint16_t id, size_t send_credit, size_t window)
    : session_(session), id_(id), inbox_(window), credit_(send_credit) {}

base::Status Lane::send(uint32_t tag, Bytes head, Bytes body, Push push) {
  FLEXAI_TRY(session_.not_child());
  if (head.size() + body.size() > kMaxMessage)
    return fail(Code::kInvalid, "a message of " + std::to_string(head.size() + body.size()) +
                                    " bytes; larger than " + std::to_string(kMaxMessage) +
                                    " goes as bulk data");
  size_t size = record_bytes(head.size() + body.size());
  const SessionOptions& options = session_.options();
  MutexLock lock(batch_mutex_);
  if (session_.ended()) return session_.status();
  if (!batch_.empty() && batch_.size() + size > options.batch_bytes) FLEXAI_TRY(flush_batch(true));
  session_.messages_.fetch_add(1, std::memory_order_relaxed);
  if (size > options.batch_bytes) {
    Block block(size);
    put_record(block.space(), tag, head, body);
    return session_.post(FrameType::kData, this, std::move(block), true, 0);
  }
  size_t old = batch_.size();
  batch_.resize(old + size);
  put_record(std::span(batch_).subspan(old), tag, head, body);
  ++batched_;
  if (push == Push::kNow || batched_ >= options.batch_messages) return flush_batch(true);
  if (old == 0) dirty_.store(true, std::memory_order_release);
  if (push == Push::kLater && !timed_) {
    timed_ = true;
    session_.arm_flush();
  }
  return {};
}

base::Status Lane::flush() {
  FLEXAI_TRY(session_.not_child());
  MutexLock lock(batch_mutex_);
  return flush_batch(true);
}

base::Status Lane::flush_batch(bool may_wait) {
  if (batch_.empty()) return {};
  FLEXAI_TRY(session_.post(FrameType::kData, this, Block(Bytes(batch_)), may_wait, 0));
  batch_.clear();
  batched_ = 0;
  timed_ = false;
  dirty_.store(false, std::memory_order_release);
  if (may_wait) session_.own_flushes_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

base::Result<Message> Lane::next() {
  auto message = next_record(current_.bytes(), at_);
  if (!message.ok()) session_.end({.code = RefusalCode::kBroken, .text = message.error().message});
  return message;
}

base::Result<Message> Lane::receive(Nanos deadline) {
  FLEXAI_TRY(session_.not_child());
  if (has_more()) return next();
  if (dirty_.load(std::memory_order_acquire)) FLEXAI_TRY(flush());
  {
    MutexLock lock(session_.mutex_);
    if (inbox_.empty()) {
      Session::Waiter waiter(this);
      FLEXAI_TRY(session_.await([this] { return !inbox_.empty(); }, waiter, deadline));
    }
    current_ = inbox_.take();
    at_ = 0;
    if (inbox_.credit_is_due()) {
      session_.credits_due_ = true;
      session_.write_out(session_.connection_);
    }
  }
  return next();
}

base::Result<Message> Lane::poll() { return receive(1); }

void Lane::set_sink(std::function<void(const Message&)> sink) {
  MutexLock lock(session_.mutex_);
  // The old one may be running on the thread that reads.
  while (session_.in_sinks_) {
    session_.mutex_.unlock();
    ::usleep(20);
    session_.mutex_.lock();
  }
  if (std::find(session_.sinks_.begin(), session_.sinks_.end(), this) == session_.sinks_.end())
    session_.sinks_.push_back(this);
  if (sink) std::erase(session_.arrivals_, this);
  sink_ = std::move(sink);
}

}  // namespace flexai::wire
