// How a Session sends: frames are numbered and kept in the outbox; whoever finds the writer's role
// free writes everything there is, without blocking. What the transport does not take now is
// written by the reader, whose wait then ends when there is room.
#include <array>

#include "wire/lane.h"
#include "wire/notes.h"
#include "wire/waiter.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::MutexLock;
using base::Nanos;

namespace {
constexpr size_t kFramesAtOnce = 64, kBytesAtOnce = 256u << 10;
}

base::Status Session::post(FrameType type, Lane* lane, Block payload, bool may_wait,
                           Nanos deadline) {
  MutexLock lock(mutex_);
  uint64_t cost = frame_cost(payload.size());
  auto room = [&]() FLEXAI_REQUIRES(mutex_) {
    return passed_on_ || (!frozen_ && outbox_.has_room(payload.size()) &&
                          (lane == nullptr || lane->sent_ + cost <= lane->credit_));
  };
  if (over_) return end_why_;
  if (!room()) {
    if (!may_wait) return fail(Code::kTimeout, "no room in the window");
    Waiter waiter;
    FLEXAI_TRY(await(room, waiter, deadline));
  }
  if (passed_on_) return fail(Code::kUnavailable, "the session has been handed on");
  if (lane != nullptr) lane->sent_ += cost;
  if (connection_ != nullptr && outbox_.empty()) owe(*connection_);
  outbox_.add(type, lane == nullptr ? uint16_t{0} : lane->id_, std::move(payload));
  write_out(connection_);
  return {};
}

void Session::write_out(const std::shared_ptr<Connection>& held) {
  std::shared_ptr<Connection> connection = held;  // `held` may be the member, which may change
  if (connection == nullptr || connection->writing || connection->unwritable) return;
  connection->writing = true;
  while (connection == connection_ && (!connection->parts.empty() || build(*connection))) {
    auto& parts = connection->parts;
    mutex_.unlock();
    auto sent = connection->transport->send(std::span(parts).subspan(connection->first_part));
    mutex_.lock();
    if (!sent.ok()) {
      // Why it is over may be among what came before: the reader drops it.
      connection->unwritable = sent.error();
      break;
    }
    size_t left = *sent;
    while (left != 0 ||
           (connection->first_part < parts.size() && parts[connection->first_part].iov_len == 0)) {
      iovec& part = parts[connection->first_part];
      size_t size = std::min(left, part.iov_len);
      part.iov_base = static_cast<std::byte*>(part.iov_base) + size;
      part.iov_len -= size;
      left -= size;
      if (part.iov_len == 0) ++connection->first_part;
    }
    if (connection->first_part == parts.size()) {
      parts.clear();
      // After a cut the next connection counts anew.
      if (connection == connection_) outbox_.wrote(connection->frames_in_parts);
      connection->frames_in_parts = 0;
    } else if (*sent == 0) {
      break;
    }
  }
  connection->writing = false;
  bool left = !connection->parts.empty() || connection->unwritable;
  if (left && connection == connection_ && !connection->waits_to_write) {
    if (connection->reading) connection->transport->wake();
    if (!connection->reading) wake_keeper();
  }
}

bool Session::build(Connection& connection) {
  connection.first_part = 0;
  connection.notes.clear();
  build_notes(connection);
  if (!connection.notes.bytes().empty()) {
    Bytes notes = connection.notes.bytes();
    connection.parts.push_back({const_cast<std::byte*>(notes.data()), notes.size()});
  }
  size_t bytes = 0;
  bool checked = !connection.transport->keeps_bytes();
  for (size_t i = 0; i < kFramesAtOnce && bytes < kBytesAtOnce; ++i) {
    OutFrame* frame = outbox_.unwritten(i);
    if (frame == nullptr) break;
    frame->header.ack = received_;
    frame->header.flags = checked ? kChecked : 0;
    frame->header.check = checked ? frame_check(frame->header, frame->payload.bytes()) : 0;
    frame->packed = encode_header(frame->header);
    connection.parts.push_back({frame->packed.data(), kHeaderBytes});
    if (frame->payload.size() != 0)
      connection.parts.push_back({frame->payload.data(), frame->payload.size()});
    bytes += frame->payload.size();
    ++connection.frames_in_parts;
  }
  if (!connection.parts.empty()) {
    unanswered_ = 0;
    connection.want_ack = false;
  }
  return !connection.parts.empty();
}

void Session::add_note(Connection& connection, FrameType type, Bytes payload) {
  FrameHeader header;
  header.type = type;
  header.length = static_cast<uint32_t>(payload.size());
  header.ack = received_;
  if (!connection.transport->keeps_bytes()) {
    header.flags = kChecked;
    header.check = frame_check(header, payload);
  }
  connection.notes.raw(encode_header(header));
  connection.notes.raw(payload);
}

void Session::build_notes(Connection& connection) {
  if (credits_due_) {
    std::vector<Credit> credits;
    for (const auto& lane : lane_)
      if (lane != nullptr && (all_credits_due_ || lane->inbox_.credit_is_due()))
        credits.push_back({lane->id_, lane->inbox_.grant()});
    credits_due_ = all_credits_due_ = false;
    if (!credits.empty()) {
      Writer writer;
      encode(credits, writer);
      add_note(connection, FrameType::kCredit, writer.bytes());
    }
  }
  if (connection.want_pong) add_note(connection, FrameType::kPong, {});
  if (connection.want_ping) add_note(connection, FrameType::kPing, {});
  connection.want_ping = connection.want_pong = false;
  if (!connection.farewell.empty()) {
    add_note(connection, connection.farewell_type, connection.farewell);
    connection.farewell.clear();
  }
  if (connection.want_ack && connection.notes.bytes().empty() && outbox_.all_written())
    add_note(connection, FrameType::kAck, {});
}

void Session::arm_flush() {
  if (flush_armed_.exchange(true, std::memory_order_acq_rel)) return;
  MutexLock lock(mutex_);
  armed_at_ = monotonic_now();
  flush_at_ = armed_at_ + late_look() / 2;
  if (keeper_until_ > armed_at_ + late_look()) wake_keeper();
}

base::Status Session::flush() {
  FLEXAI_TRY(not_child());
  FLEXAI_TRY(flush_lanes(true));
  return {};
}

base::Result<size_t> Session::flush_lanes(bool may_wait) {
  std::vector<Lane*> dirty;
  {
    MutexLock lock(mutex_);
    for (const auto& lane : lane_)
      if (lane != nullptr && lane->dirty_.load(std::memory_order_acquire))
        dirty.push_back(lane.get());
  }
  for (Lane* lane : dirty) {
    if (may_wait) {
      FLEXAI_TRY(lane->flush());
      continue;
    }
    // A sender that holds it flushes by itself, or arms the timer again.
    if (!lane->batch_mutex_.try_lock()) {
      arm_flush();
      continue;
    }
    auto flushed = lane->flush_batch(false);
    lane->batch_mutex_.unlock();
    if (!flushed.ok()) arm_flush();
  }
  return dirty.size();
}

}  // namespace flexai::wire
