// Outbox: the sequenced frames of one direction from the moment they are numbered until the peer
// has acknowledged them. Bounded by the window; after a cut everything not acknowledged is written
// again, under the same numbers. Pure: no I/O, no clock, no lock; its owner guards it.
// Go-back-N over a stream that keeps order (Tanenbaum, Computer Networks, 3.4.2).
#pragma once

#include <deque>
#include <vector>

#include "base/result.h"
#include "wire/block.h"
#include "wire/frame.h"

namespace flexai::wire {

// What a frame counts for in windows and credits: its bytes and what it costs to hold it.
inline constexpr size_t kFrameCost = 128;
inline size_t frame_cost(size_t payload) { return payload + kFrameCost; }

struct OutFrame {
  FrameHeader header;
  HeaderBytes packed{};
  Block payload;
};

class Outbox {
 public:
  explicit Outbox(size_t window) : window_(window) {}

  bool has_room(size_t payload) const { return held_ + frame_cost(payload) <= window_; }

  // Numbers the frame. REQUIRES: has_room().
  uint64_t add(FrameType type, uint16_t lane, Block payload);

  // Frames not yet written, oldest first; null when there is none at `index`. A frame handed out
  // stays where it is until its number is marked written and acknowledged.
  OutFrame* unwritten(size_t index);
  void wrote(size_t frames);

  // The peer has everything up to `seq`. kCorrupt when that was never sent.
  base::Status acknowledge(uint64_t seq);

  // A new connection to a peer that has everything up to `received`. REQUIRES: nobody holds a frame
  // from unwritten(). kCorrupt as above, or when the peer has less than it had acknowledged.
  base::Status rewind(uint64_t received);

  uint64_t last() const { return next_ - 1; }  // highest number given
  uint64_t acknowledged() const { return acknowledged_; }
  size_t held() const { return held_; }
  bool all_written() const { return written_ == frames_.size(); }
  bool empty() const { return frames_.empty(); }

  // For another process that goes on with it: what the peer has not acknowledged, oldest first.
  std::vector<const OutFrame*> unacknowledged() const;
  // REQUIRES: nothing was added yet.
  void restore(uint64_t acknowledged) { next_ = (acknowledged_ = acknowledged) + 1; }

 private:
  void release();

  size_t window_;
  std::deque<OutFrame> frames_;
  size_t written_ = 0;  // how many of frames_, from the front
  size_t held_ = 0;
  uint64_t next_ = 1;
  uint64_t acknowledged_ = 0;
};

}  // namespace flexai::wire
