// Inbox: what arrived for one lane and nobody has read yet, bounded by the credit granted to the
// sender. Pure: no I/O, no clock, no lock; its owner guards it.
// Credits are absolute (all bytes ever granted), so one that is lost or repeated does no harm.
#pragma once

#include <deque>

#include "base/result.h"
#include "wire/block.h"

namespace flexai::wire {

class Inbox {
 public:
  explicit Inbox(size_t window) : window_(window), granted_(window) {}

  // A frame's payload. kCorrupt when the sender had no credit for it.
  base::Status arrive(Block payload);

  bool empty() const { return frames_.empty(); }
  size_t frames() const { return frames_.size(); }
  Block take();  // the oldest; its bytes count as read. REQUIRES: !empty()

  bool credit_is_due() const { return read_ + window_ >= granted_ + window_ / 4; }
  uint64_t grant();  // all the credit there is now; what the peer is to be told
  uint64_t granted() const { return granted_; }

  // For another process that goes on with it, see session_state.h.
  uint64_t arrived() const { return arrived_; }
  uint64_t read() const { return read_; }
  const std::deque<Block>& unread() const { return frames_; }
  void restore(uint64_t arrived, uint64_t read, uint64_t granted, std::deque<Block> unread);

 private:
  size_t window_;
  std::deque<Block> frames_;
  uint64_t arrived_ = 0, read_ = 0;  // bytes ever, as frame_cost()
  uint64_t granted_;
};

// One message of a frame's payload. The frame is records, each u32 size, u32 tag, body, padded with
// zeros to a multiple of 8.
struct Message {
  uint32_t tag = 0;
  Bytes body;
};

inline constexpr size_t kRecordHeader = 8;
inline size_t record_bytes(size_t body) { return kRecordHeader + ((body + 7) & ~size_t{7}); }
void put_record(std::span<std::byte> place, uint32_t tag, Bytes head, Bytes body);

// The record at `at`, which moves behind it. kCorrupt when there is none.
base::Result<Message> next_record(Bytes payload, size_t& at);

}  // namespace flexai::wire
