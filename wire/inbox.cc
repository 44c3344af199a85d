#include "wire/inbox.h"

#include <algorithm>

#include "wire/frame.h"
#include "wire/outbox.h"

namespace flexai::wire {

using base::Code;
using base::fail;

base::Status Inbox::arrive(Block payload) {
  uint64_t cost = frame_cost(payload.size());
  if (arrived_ + cost > granted_)
    return fail(Code::kCorrupt, "the peer sent more than it had credit for");
  arrived_ += cost;
  frames_.push_back(std::move(payload));
  return {};
}

Block Inbox::take() {
  Block payload = std::move(frames_.front());
  frames_.pop_front();
  read_ += frame_cost(payload.size());
  return payload;
}

uint64_t Inbox::grant() {
  granted_ = std::max(granted_, read_ + window_);
  return granted_;
}

void Inbox::restore(uint64_t arrived, uint64_t read, uint64_t granted, std::deque<Block> unread) {
  arrived_ = arrived;
  read_ = read;
  granted_ = granted;
  frames_ = std::move(unread);
}

void put_record(std::span<std::byte> place, uint32_t tag, Bytes head, Bytes body) {
  auto size = static_cast<uint32_t>(head.size() + body.size());
  std::memcpy(place.data(), &size, 4);
  std::memcpy(place.data() + 4, &tag, 4);
  std::byte* at = place.data() + kRecordHeader;
  if (!head.empty()) std::memcpy(at, head.data(), head.size());
  at += head.size();
  if (!body.empty()) std::memcpy(at, body.data(), body.size());
  at += body.size();
  std::memset(at, 0, static_cast<size_t>(place.data() + place.size() - at));
}

base::Result<Message> next_record(Bytes payload, size_t& at) {
  if (payload.size() - at < kRecordHeader)
    return fail(Code::kCorrupt, "a message header runs past the end of its frame");
  uint32_t size = 0;
  Message message;
  std::memcpy(&size, payload.data() + at, 4);
  std::memcpy(&message.tag, payload.data() + at + 4, 4);
  if (size > kMaxMessage || record_bytes(size) > payload.size() - at)
    return fail(Code::kCorrupt,
                "a message of " + std::to_string(size) + " bytes runs past the end of its frame");
  message.body = payload.subspan(at + kRecordHeader, size);
  at += record_bytes(size);
  return message;
}

}  // namespace flexai::wire
