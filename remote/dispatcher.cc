#include "remote/dispatcher.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using wire::Push;

base::Result<std::unique_ptr<Dispatcher>> Dispatcher::make(wire::Session& session) {
  FLEXAI_TRY_ASSIGN(wire::Lane * lane, session.lane(kCallLane));
  return std::unique_ptr<Dispatcher>(new Dispatcher(session, lane));
}

base::Status Dispatcher::run(const Handler& handler) {
  for (;;) {
    FLEXAI_TRY_ASSIGN(wire::Session::Arrival arrival, session_.receive_any(0));
    base::Status taken;
    if (arrival.lane != lane_) {
      taken = fail(Code::kCorrupt, "a call on lane " + std::to_string(arrival.lane->id()));
    } else {
      taken = take(arrival.message, handler);
    }
    if (taken.ok()) continue;
    session_.end({.code = wire::RefusalCode::kBroken, .text = taken.error().message});
    return taken;
  }
}

base::Status Dispatcher::take(const wire::Message& message, const Handler& handler) {
  constexpr uint32_t kKnown = kAsked | kPart | kTail | kEntryMask;
  bool asked = (message.tag & kAsked) != 0, part = (message.tag & kPart) != 0;
  bool tail = (message.tag & kTail) != 0;
  if ((message.tag & ~kKnown) != 0 || (part && (asked || tail)))
    return fail(Code::kCorrupt, "a call with the tag " + std::to_string(message.tag));
  wire::Reader reader(message.body);
  Call call;
  call.entry = static_cast<uint16_t>(message.tag & kEntryMask);
  if (asked) call.number = reader.u32("number");
  if (!reader.ok() || (asked && call.number == 0))
    return fail(Code::kCorrupt, "a call that asks without a number");
  call.body = reader.raw("body", reader.left());
  if (!part && !tail) return handler(call);
  if (parts_.size() + call.body.size() > kMostCall)
    return fail(Code::kExhausted, "a call of more than " + std::to_string(kMostCall) + " bytes");
  parts_.insert(parts_.end(), call.body.begin(), call.body.end());
  if (part) return {};
  std::vector<std::byte> whole;
  whole.swap(parts_);
  call.body = whole;
  return handler(call);
}

base::Status Dispatcher::reply(uint32_t number, int32_t code, wire::Bytes results) {
  if (number == 0) return {};
  wire::Writer head;
  head.u32(number);
  while (results.size() > kPartBytes) {
    FLEXAI_TRY(lane_->send(kReplyPart, head.bytes(), results.first(kPartBytes)));
    results = results.subspan(kPartBytes);
  }
  head.i32(code);
  return lane_->send(kReply, head.bytes(), results, Push::kNow);
}

base::Status Dispatcher::push(uint32_t kind, wire::Bytes body, Push push) {
  return lane_->send(kind, {}, body, push);
}

}  // namespace flexai::remote
