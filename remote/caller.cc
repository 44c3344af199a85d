#include "remote/caller.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::MutexLock;
using wire::Push;

Caller::Caller(std::unique_ptr<wire::Session> session, Sink sink)
    : session_(std::move(session)), sink_(std::move(sink)) {}

base::Result<std::unique_ptr<Caller>> Caller::make(std::unique_ptr<wire::Session> session,
                                                   Sink sink) {
  std::unique_ptr<Caller> caller(new Caller(std::move(session), std::move(sink)));
  FLEXAI_TRY_ASSIGN(caller->lane_, caller->session_->lane(kCallLane));
  caller->lane_->set_sink(
      [self = caller.get()](const wire::Message& message) { self->on_message(message); });
  return caller;
}

Caller::~Caller() {
  if (lane_ != nullptr) lane_->set_sink({});
}

base::Status Caller::send(uint32_t tag, wire::Bytes head, wire::Bytes body, Push push) {
  if (head.size() + body.size() <= kPartBytes) return lane_->send(tag, head, body, push);
  if (body.size() > kMostCall)
    return fail(Code::kExhausted, "a call of " + std::to_string(body.size()) + " bytes");
  MutexLock lock(parts_mutex_);
  while (body.size() > kPartBytes) {
    FLEXAI_TRY(lane_->send(kPart, {}, body.first(kPartBytes)));
    body = body.subspan(kPartBytes);
  }
  return lane_->send(tag | kTail, head, body, push);
}

base::Status Caller::tell(uint16_t entry, wire::Bytes body) {
  counts_->told.fetch_add(1, std::memory_order_relaxed);
  return send(entry, {}, body, Push::kLater);
}

base::Result<Answer> Caller::ask(uint16_t entry, wire::Bytes body) {
  Pending pending;
  uint32_t number = 0;
  {
    MutexLock lock(mutex_);
    while (++number_ == 0 || pending_.count(number_) != 0) {
    }
    number = number_;
    pending_[number] = &pending;
  }
  counts_->asked.fetch_add(1, std::memory_order_relaxed);
  if (entry < CallCounts::kEntries)
    counts_->asked_of[entry].fetch_add(1, std::memory_order_relaxed);
  wire::Writer head;
  head.u32(number);
  auto status = send(entry | kAsked, head.bytes(), body, Push::kNow);
  if (status.ok())
    status = session_->wait([&pending] { return pending.done.load(std::memory_order_acquire); }, 0);
  {
    // The sink fills an answer under this lock: afterwards nobody looks at it.
    MutexLock lock(mutex_);
    pending_.erase(number);
  }
  FLEXAI_TRY(status);
  if (pending.too_long) return fail(Code::kCorrupt, "a reply is longer than any may be");
  return std::move(pending.answer);
}

base::Status Caller::wait(const std::function<bool()>& ready, base::Nanos deadline) {
  if (!ready()) counts_->waited.fetch_add(1, std::memory_order_relaxed);
  return session_->wait(ready, deadline);
}

void Caller::on_message(const wire::Message& message) {
  if (message.tag == kReply || message.tag == kReplyPart) {
    on_reply(message);
  } else {
    sink_(message.tag, message.body);
  }
}

void Caller::on_reply(const wire::Message& message) {
  wire::Reader reader(message.body);
  uint32_t number = reader.u32("number");
  int32_t code = message.tag == kReply ? reader.i32("code") : 0;
  if (!reader.ok()) return;
  wire::Bytes bytes = reader.raw("results", reader.left());
  MutexLock lock(mutex_);
  auto found = pending_.find(number);
  if (found == pending_.end()) return;  // nobody waits for it any more
  Pending& pending = *found->second;
  auto& body = pending.answer.body;
  if (body.size() + bytes.size() > kMostReply) {
    pending.too_long = true;
  } else {
    body.insert(body.end(), bytes.begin(), bytes.end());
  }
  if (message.tag != kReply) return;
  pending.answer.code = code;
  pending.done.store(true, std::memory_order_release);
}

}  // namespace flexai::remote
