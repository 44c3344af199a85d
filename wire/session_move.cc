// How the host's side of a Session goes on in another process, and how its client follows.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "wire/exchange.h"
#include "wire/lane.h"
#include "wire/waiter.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::MutexLock;
using base::Nanos;
using base::Result;

namespace {

std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// What is left of a frame that was taken out of the inbox counts as unread again.
void put_back(Bytes rest, LaneState& lane) {
  if (rest.empty()) return;
  lane.unread.insert(lane.unread.begin(), copy_of(rest));
  lane.read -= frame_cost(rest.size());
}

}  // namespace

void Session::freeze() {
  MutexLock lock(mutex_);
  frozen_ = true;
  while (in_sinks_) {
    mutex_.unlock();
    ::usleep(20);
    mutex_.lock();
  }
}

void Session::thaw() {
  MutexLock lock(mutex_);
  if (passed_on_) return;
  frozen_ = false;
  if (std::exchange(left_out_, false) && connection_ != nullptr)
    drop(*connection_, fail(Code::kUnavailable, "what came while the session stood still"));
  wake_all();
  wake_keeper();
}

void Session::pass_on(Bytes note) {
  MutexLock lock(mutex_);
  frozen_ = passed_on_ = true;
  place_ = copy_of(note);
  wake_all();
  bid_farewell(FrameType::kMoved, note);
}

// To a client that comes again.
base::Status Session::send_on(Transport& transport) {
  const std::vector<std::byte> note = place_;
  mutex_.unlock();
  auto sent =
      send_frame(transport, FrameType::kMoved, note, base::monotonic_now() + options_.handshake);
  mutex_.lock();
  FLEXAI_TRY(sent);
  return fail(Code::kUnavailable, "session " + text_of(id_) + " has been handed on");
}

bool Session::receiver_rests() const {
  MutexLock lock(mutex_);
  return any_rests_;
}

LaneState Session::state_of(Lane& lane) {
  LaneState state;
  state.id = lane.id_;
  state.sent = lane.sent_;
  state.credit = lane.credit_;
  state.arrived = lane.inbox_.arrived();
  state.read = lane.inbox_.read();
  state.granted = lane.inbox_.granted();
  for (const Block& payload : lane.inbox_.unread())
    state.unread.push_back(copy_of(payload.bytes()));
  if (lane.has_more()) put_back(lane.current_.bytes().subspan(lane.at_), state);
  return state;
}

Result<SessionState> Session::state(bool again) {
  MutexLock lock(mutex_);
  if (over_) return end_why_;
  if (connector_ || closing_ || !frozen_)
    return fail(Code::kUnsupported, "this session cannot be handed on now");
  SessionState state{.id = id_,
                     .key = key_,
                     .epoch = epoch_,
                     .features = features_,
                     .grace_ms = static_cast<uint32_t>(options_.grace / base::kMillisecond),
                     .lanes = lanes_,
                     .window = options_.window,
                     .lane_window = options_.lane_window,
                     .peer_window = peer_window_,
                     .peer_lane_window = peer_lane_window_,
                     .received = received_,
                     .acknowledged = outbox_.acknowledged()};
  for (const OutFrame* frame : outbox_.unacknowledged())
    state.outbox.push_back({frame->header.lane, copy_of(frame->payload.bytes())});
  const Bytes rest = any_frame_.bytes().subspan(again ? any_begin_ : any_at_);
  for (const auto& lane : lane_) {
    if (lane == nullptr) continue;
    LaneState one = state_of(*lane);
    if (lane.get() == any_lane_ && !rest.empty()) {
      put_back(rest, one);
      state.arrivals.push_back(lane->id_);
    }
    // Who sends holds it, and waits until the session goes on.
    if (!lane->batch_mutex_.try_lock())
      return fail(Code::kTimeout, "something is just being sent; try again");
    one.batch = lane->batch_;
    one.batched = lane->batched_;
    lane->batch_mutex_.unlock();
    state.lane.push_back(std::move(one));
  }
  state.any = takes_any_;
  for (const Lane* lane : arrivals_) state.arrivals.push_back(lane->id_);
  return state;
}

void Session::take_state(const SessionState& state) {
  id_ = state.id;
  key_ = state.key;
  epoch_ = state.epoch;
  features_ = state.features & options_.features;
  lanes_ = state.lanes;
  peer_window_ = state.peer_window;
  peer_lane_window_ = state.peer_lane_window;
  received_ = state.received;
  lane_.resize(lanes_);
  outbox_.restore(state.acknowledged);
  for (const SentFrame& frame : state.outbox)
    outbox_.add(FrameType::kData, frame.lane, Block(Bytes(frame.payload)));
  for (const LaneState& one : state.lane) {
    Lane& lane = lane_of(one.id);
    lane.sent_ = one.sent;
    lane.credit_ = one.credit;
    std::deque<Block> unread;
    for (const auto& payload : one.unread) unread.emplace_back(Bytes(payload));
    lane.inbox_.restore(one.arrived, one.read, one.granted, std::move(unread));
    if (one.batch.empty() || !lane.batch_mutex_.try_lock()) continue;
    lane.batch_ = one.batch;
    lane.batched_ = one.batched;
    lane.timed_ = true;
    lane.batch_mutex_.unlock();
    lane.dirty_.store(true, std::memory_order_release);
    flush_armed_.store(true, std::memory_order_release);
    armed_at_ = base::monotonic_now();
    flush_at_ = armed_at_ + options_.batch_delay;
  }
  takes_any_ = state.any;
  for (uint16_t id : state.arrivals) arrivals_.push_back(&lane_of(id));
}

Result<std::unique_ptr<Session>> Session::adopt(const SessionState& state, const Peer& peer,
                                                SessionOptions options) {
  options.window = state.window;
  options.lane_window = state.lane_window;
  options.grace = state.grace_ms * base::kMillisecond;
  std::unique_ptr<Session> session(new Session({}, std::move(options)));
  session->peer_ = peer;
  MutexLock lock(session->mutex_);
  session->take_state(state);
  session->cut_since_ = base::monotonic_now();
  session->cut_why_ = fail(Code::kUnavailable, "it has not come yet");
  session->start();
  return session;
}

base::Status Session::await_peer(Nanos deadline) {
  MutexLock lock(mutex_);
  Waiter waiter;
  return await([this]() FLEXAI_REQUIRES(mutex_) { return connection_ != nullptr; }, waiter,
               deadline);
}

base::Status Session::moved(Bytes note) {
  if (!connector_ || !options_.on_moved)
    return fail(Code::kUnsupported, peer_.name + " hands the session on, which it may not here");
  auto there = options_.on_moved(note);
  if (!there.ok()) return std::move(there).with_context("following the session");
  move_due_ = true;
  moves_.fetch_add(1, std::memory_order_acq_rel);
  attempts_ = std::min(attempts_, 1);
  if (connection_ != nullptr)
    drop(*connection_, fail(Code::kUnavailable, peer_.name + " has handed the session on"));
  return {};
}

void Session::set_moved(std::function<void()> sink) {
  MutexLock lock(bulk_mutex_);
  moved_ = std::move(sink);
}

}  // namespace flexai::wire
