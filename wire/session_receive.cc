// How a Session receives: one thread at a time is the reader (leader), the others follow
// (Schmidt et al., Leader/Followers, PLoP 2000).
#include <algorithm>
#include <utility>

#include "base/futex.h"
#include "wire/lane.h"
#include "wire/notes.h"
#include "wire/waiter.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::Nanos;

namespace {

Nanos earlier(Nanos a, Nanos b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

base::Error broken(std::string what) { return fail(Code::kCorrupt, std::move(what)); }

}  // namespace

base::Status Session::await(const std::function<bool()>& ready, Waiter& waiter, Nanos deadline) {
  base::Status result;
  while (!ready()) {
    if (over_) {
      result = end_why_;
      break;
    }
    if (deadline != 0 && monotonic_now() >= deadline) {
      result = fail(Code::kTimeout, "nothing from " + peer_.name + " in time");
      break;
    }
    std::shared_ptr<Connection> connection = connection_;
    // A host may wait for its client for ever; a client is owed an answer.
    if (connector_ && connection != nullptr) owe(*connection);
    if (connection == nullptr || connection->reading) {
      follow(waiter, deadline);
      continue;
    }
    read_once(connection, deadline);
  }
  hand_on();
  return result;
}

// From now on bytes of the peer are due.
void Session::owe(Connection& connection) {
  if (connection.silence.due()) return;
  connection.silence.owe(monotonic_now());
  connection.calm = false;
  if (!connection.untimed) return;
  connection.untimed = false;
  connection.transport->wake();
}

// When the caller stops being the reader, or leaves before it could: somebody else must be woken.
void Session::hand_on() {
  led_at_ = monotonic_now();
  ++leads_;
  if (connection_ == nullptr || connection_->reading) return;
  if (waiters_ != nullptr) {
    waiters_->word.store(1, std::memory_order_release);
    base::futex_wake(&waiters_->word, 1);
  } else if (keeper_deep_) {
    wake_keeper();
  }
}

void Session::follow(Waiter& waiter, Nanos deadline) {
  waiter.word.store(0, std::memory_order_relaxed);
  waiter.next = waiters_;
  waiter.here = &waiters_;
  if (waiters_ != nullptr) waiters_->here = &waiter.next;
  waiters_ = &waiter;
  if (waiter.lane != nullptr) waiter.lane->waiter_ = &waiter;
  if (waiter.any) any_waiter_ = &waiter;
  mutex_.unlock();
  base::futex_wait(&waiter.word, 0, deadline);
  mutex_.lock();
  *waiter.here = waiter.next;
  if (waiter.next != nullptr) waiter.next->here = waiter.here;
  if (waiter.lane != nullptr) waiter.lane->waiter_ = nullptr;
  if (waiter.any) any_waiter_ = nullptr;
}

base::Status Session::wait(const std::function<bool()>& ready, Nanos deadline) {
  FLEXAI_TRY(not_child());
  if (flush_armed_.load(std::memory_order_acquire)) FLEXAI_TRY(flush());
  base::MutexLock lock(mutex_);
  Waiter waiter;
  waiter.sinks = true;
  return await(ready, waiter, deadline);
}

void Session::wake_all() {
  for (Waiter* waiter = waiters_; waiter != nullptr; waiter = waiter->next) {
    waiter->word.store(1, std::memory_order_release);
    base::futex_wake(&waiter->word, 1);
  }
}

void Session::read_once(const std::shared_ptr<Connection>& connection, Nanos deadline) {
  connection->reading = true;
  bool write = !connection->writing && !connection->parts.empty() && !connection->unwritable;
  connection->waits_to_write = write;
  const Nanos begin = monotonic_now();
  const Nanos due = connection->silence.plan(begin);
  connection->untimed = due == 0 && connection->calm;
  // Unless it is calm the reader looks now and then, so that who sends need not wake it.
  const Nanos look = due != 0 ? due : connection->untimed ? 0 : begin + options_.silence;
  deadline = earlier(deadline, look);
  const bool unwritable = connection->unwritable.has_value();
  mutex_.unlock();
  if (!unwritable) connection->transport->wait(kReadable | (write ? kWritable : 0), deadline);
  auto got = connection->reader.receive(*connection->transport, connection->frames);
  mutex_.lock();
  connection->waits_to_write = connection->untimed = false;
  // What an earlier connection brings is nobody's: its successor began by saying what had arrived.
  if (connection == connection_) {
    const Nanos end = monotonic_now();
    if (got.ok() && *got != 0) {
      connection->silence.heard(end, !outbox_.empty());
      connection->calm = false;
    } else if (!connection->silence.due() && look != 0 && end >= look) {
      connection->calm = true;
    }
    auto taken = take_in(*connection);
    if (!taken.ok()) {
      finish(taken.error());
    } else if (!got.ok()) {
      drop(*connection, got.error());
    } else if (unwritable && *got == 0) {
      drop(*connection, *connection->unwritable);
    } else {
      if (*got == 0) check_silence(*connection, deadline, end);
      call_sinks();
      write_out(connection);
    }
  }
  connection->frames.clear();
  connection->reading = false;
  wake_marked();
}

// Woken under the lock, a thread would run into it.
void Session::mark_to_wake(Waiter& waiter) {
  waiter.word.store(1, std::memory_order_release);
  to_wake_.push_back(&waiter.word);
}

void Session::wake_marked() {
  if (to_wake_.empty()) return;
  // The word may be gone by then, with the thread that waited on it: nobody is woken, or somebody
  // who looks again.
  std::vector<std::atomic<uint32_t>*> words;
  words.swap(to_wake_);
  mutex_.unlock();
  for (auto* word : words) base::futex_wake(word, 1);
  mutex_.lock();
}

base::Status Session::take_in(Connection& connection) {
  for (InFrame& frame : connection.frames) {
    FLEXAI_TRY(take_frame(connection, frame));
    if (over_ || &connection != connection_.get()) break;
  }
  if (unanswered_ >= peer_window_ / 4) connection.want_ack = true;
  return {};
}

base::Status Session::take_frame(Connection& connection, InFrame& frame) {
  const FrameHeader& header = frame.header;
  bool was_empty = outbox_.empty();
  size_t held = outbox_.held();
  FLEXAI_TRY(outbox_.acknowledge(header.ack));
  if (outbox_.held() != held) wake_all();
  if (!was_empty && outbox_.empty()) connection.silence.settle();
  switch (header.type) {
    case FrameType::kData:
    case FrameType::kGoodbye:
      return take_data(frame);
    case FrameType::kCredit:
      return take_credits(frame.payload.bytes());
    case FrameType::kPing:
      connection.want_pong = true;
      return {};
    case FrameType::kAck:
    case FrameType::kPong:
      return {};
    case FrameType::kDead: {
      FLEXAI_TRY_ASSIGN(Refusal refusal, decode_refusal(frame.payload.bytes()));
      finish(error_of(refusal));
      return {};
    }
    case FrameType::kMoved:
      return moved(frame.payload.bytes());
    default:
      return broken("the peer sent a frame that has no place in a session");
  }
}

base::Status Session::take_data(InFrame& frame) {
  const FrameHeader& header = frame.header;
  if (frozen_) {
    left_out_ = true;  // it comes again
    return {};
  }
  if (header.seq <= received_) return {};  // again
  if (header.seq != received_ + 1)
    return broken("frame " + std::to_string(header.seq) + " follows frame " +
                  std::to_string(received_));
  received_ = header.seq;
  unanswered_ += frame_cost(frame.payload.size());
  if (header.type == FrameType::kGoodbye) {
    SessionKey key{};
    if (frame.payload.size() != key.size()) return broken("a goodbye without a key");
    std::copy_n(frame.payload.data(), key.size(), key.begin());
    if (!equal_secret(key, key_)) return broken("a goodbye with the wrong key");
    connection_->want_ack = true;
    write_out(connection_);
    finish(fail(Code::kUnavailable, peer_.name + " said goodbye"));
    return {};
  }
  if (header.lane >= lanes_)
    return broken("a message for lane " + std::to_string(header.lane) + "; there are " +
                  std::to_string(lanes_));
  Lane& lane = lane_of(header.lane);
  FLEXAI_TRY(lane.inbox_.arrive(std::move(frame.payload)));
  if (takes_any_ && !lane.sink_) arrivals_.push_back(&lane);
  if (lane.waiter_ != nullptr) mark_to_wake(*lane.waiter_);
  if (any_waiter_ != nullptr) mark_to_wake(*any_waiter_);
  return {};
}

base::Result<Session::Arrival> Session::receive_any(Nanos deadline) {
  FLEXAI_TRY(not_child());
  if (any_at_ >= any_frame_.size()) {
    if (flush_armed_.load(std::memory_order_acquire)) FLEXAI_TRY(flush());
    base::MutexLock lock(mutex_);
    if (!takes_any_) {
      takes_any_ = true;
      for (const auto& lane : lane_)
        for (size_t i = 0; lane != nullptr && !lane->sink_ && i < lane->inbox_.frames(); ++i)
          arrivals_.push_back(lane.get());
    }
    const auto ready = [this]() FLEXAI_REQUIRES(mutex_) { return !arrivals_.empty() && !frozen_; };
    if (!ready()) {
      Waiter waiter;
      waiter.any = any_rests_ = true;
      auto come = await(ready, waiter, deadline);
      any_rests_ = false;
      FLEXAI_TRY(come);
    }
    any_lane_ = arrivals_.front();
    arrivals_.pop_front();
    any_frame_ = any_lane_->inbox_.take();
    any_at_ = 0;
    if (any_lane_->inbox_.credit_is_due()) {
      credits_due_ = true;
      write_out(connection_);
    }
  }
  any_begin_ = any_at_;
  auto message = next_record(any_frame_.bytes(), any_at_);
  if (!message.ok()) {
    end({.code = RefusalCode::kBroken, .text = message.error().message});
    return message.error();
  }
  return Arrival{any_lane_, *message};
}

base::Status Session::take_credits(Bytes payload) {
  FLEXAI_TRY_ASSIGN(auto credits, decode_credits(payload));
  for (const Credit& credit : credits) {
    if (credit.lane >= lanes_) return broken("credit for a lane that is not there");
    Lane& lane = lane_of(credit.lane);
    lane.credit_ = std::max(lane.credit_, credit.granted);
  }
  wake_all();
  return {};
}

// The reader of a connection that was cut may still be in one when the next connection has its
// reader: that one leaves its messages to it, so that they stay in order.
void Session::call_sinks() {
  if (in_sinks_) {
    sinks_left_ = true;
    return;
  }
  in_sinks_ = true;
  bool called = false;
  base::Status parsed;
  for (Lane* lane = lane_to_sink(); parsed.ok() && lane != nullptr; lane = lane_to_sink()) {
    Block payload = lane->inbox_.take();
    if (lane->inbox_.credit_is_due()) credits_due_ = true;
    called = true;
    mutex_.unlock();
    size_t at = 0;
    while (parsed.ok() && at < payload.size()) {
      auto message = next_record(payload.bytes(), at);
      if (message.ok()) {
        lane->sink_(*message);
      } else {
        parsed = message.error();
      }
    }
    mutex_.lock();
  }
  in_sinks_ = false;
  if (!parsed.ok()) finish(parsed.error());
  // What the other reader waits for may be among that.
  if (std::exchange(sinks_left_, false) && connection_ != nullptr) connection_->transport->wake();
  for (Waiter* waiter = waiters_; called && waiter != nullptr; waiter = waiter->next)
    if (waiter->sinks) mark_to_wake(*waiter);
}

Lane* Session::lane_to_sink() {
  for (Lane* lane : sinks_)
    if (lane->sink_ && !lane->inbox_.empty()) return lane;
  return nullptr;
}

void Session::check_silence(Connection& connection, Nanos planned, Nanos now) {
  switch (connection.silence.waited(planned, now)) {
    case Silence::Verdict::kAsk:
      connection.want_ping = true;
      break;
    case Silence::Verdict::kGiveUp:
      drop(connection, fail(Code::kTimeout, peer_.name + " is silent"));
      break;
    case Silence::Verdict::kNone:
      break;
  }
}

}  // namespace flexai::wire
