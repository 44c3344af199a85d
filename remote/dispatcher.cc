#include "remote/dispatcher.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using wire::Push;

namespace {

constexpr size_t kMostAway = 16;

// A thread's, while it has the lead and until the call with which it lost that is done.
struct Seat {
  Dispatcher* of;
  bool left;  // it stepped aside
};
thread_local Seat* t_seat = nullptr;

}  // namespace

base::Result<std::unique_ptr<Dispatcher>> Dispatcher::make(wire::Session& session) {
  FLEXAI_TRY_ASSIGN(wire::Lane * lane, session.lane(kCallLane));
  return std::unique_ptr<Dispatcher>(new Dispatcher(session, lane));
}

Dispatcher::~Dispatcher() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

base::Status Dispatcher::run(Handler handler) {
  handler_ = std::move(handler);
  std::unique_lock lock(mutex_);
  threads_.emplace_back([this] { serve(); });
  changed_.wait(lock, [this] { return over_.has_value(); });
  return *over_;
}

void Dispatcher::serve() {
  while (take_lead()) {
    Seat seat{this, false};
    t_seat = &seat;
    base::Status taken;
    while (taken.ok() && !seat.left) taken = next();
    t_seat = nullptr;
    if (taken.ok()) continue;
    std::lock_guard lock(mutex_);
    if (!over_) over_ = taken;
    changed_.notify_all();
  }
}

// False: it is over.
bool Dispatcher::take_lead() {
  std::unique_lock lock(mutex_);
  ++followers_;
  changed_.wait(lock, [this] { return !led_ || over_.has_value(); });
  --followers_;
  if (over_) return false;
  led_ = true;
  return true;
}

base::Status Dispatcher::next() {
  FLEXAI_TRY_ASSIGN(wire::Session::Arrival arrival, session_.receive_any(0));
  std::lock_guard turn(turn_);
  base::Status taken;
  if (arrival.lane != lane_) {
    taken = fail(Code::kCorrupt, "a call on lane " + std::to_string(arrival.lane->id()));
  } else {
    taken = take(arrival.message);
  }
  if (!taken.ok())
    session_.end({.code = wire::RefusalCode::kBroken, .text = taken.error().message});
  return taken;
}

bool Dispatcher::step_aside() {
  std::lock_guard lock(mutex_);
  if (followers_ == 0) {
    if (threads_.size() > kMostAway) return false;
    threads_.emplace_back([this] { serve(); });
  }
  led_ = false;
  changed_.notify_all();
  return true;
}

bool Dispatcher::handling() { return t_seat != nullptr; }

Dispatcher::Away::Away() {
  if (t_seat == nullptr || t_seat->left || !t_seat->of->step_aside()) return;
  t_seat->left = true;
  from_ = t_seat->of;
  from_->turn_.unlock();
}

Dispatcher::Away::~Away() {
  if (from_ != nullptr) from_->turn_.lock();
}

base::Status Dispatcher::take(const wire::Message& message) {
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
  if (!part && !tail) return handler_(call);
  if (parts_.size() + call.body.size() > kMostCall)
    return fail(Code::kExhausted, "a call of more than " + std::to_string(kMostCall) + " bytes");
  parts_.insert(parts_.end(), call.body.begin(), call.body.end());
  if (part) return {};
  std::vector<std::byte> whole;
  whole.swap(parts_);
  call.body = whole;
  call.stays = true;
  return handler_(call);
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

void Dispatcher::flush() { [[maybe_unused]] auto sent = lane_->flush(); }

}  // namespace flexai::remote
