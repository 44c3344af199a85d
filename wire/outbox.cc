#include "wire/outbox.h"

namespace flexai::wire {

using base::Code;
using base::fail;

uint64_t Outbox::add(FrameType type, uint16_t lane, Block payload) {
  OutFrame frame;
  frame.header.type = type;
  frame.header.lane = lane;
  frame.header.length = static_cast<uint32_t>(payload.size());
  frame.header.seq = next_++;
  held_ += frame_cost(payload.size());
  frame.payload = std::move(payload);
  frames_.push_back(std::move(frame));
  return frames_.back().header.seq;
}

OutFrame* Outbox::unwritten(size_t index) {
  return written_ + index < frames_.size() ? &frames_[written_ + index] : nullptr;
}

void Outbox::wrote(size_t frames) {
  written_ += frames;
  release();
}

// An acknowledgement may overtake the note that its frame was written: the frame stays until both.
void Outbox::release() {
  while (written_ > 0 && frames_.front().header.seq <= acknowledged_) {
    held_ -= frame_cost(frames_.front().payload.size());
    frames_.pop_front();
    --written_;
  }
}

base::Status Outbox::acknowledge(uint64_t seq) {
  if (seq >= next_)
    return fail(Code::kCorrupt, "the peer acknowledges frame " + std::to_string(seq) + ", but " +
                                    std::to_string(last()) + " is the last one sent");
  if (seq > acknowledged_) acknowledged_ = seq;
  release();
  return {};
}

std::vector<const OutFrame*> Outbox::unacknowledged() const {
  std::vector<const OutFrame*> frames;
  for (const OutFrame& frame : frames_)
    if (frame.header.seq > acknowledged_) frames.push_back(&frame);
  return frames;
}

base::Status Outbox::rewind(uint64_t received) {
  if (received < acknowledged_)
    return fail(Code::kCorrupt, "the peer has frames up to " + std::to_string(received) +
                                    " but had acknowledged " + std::to_string(acknowledged_));
  FLEXAI_TRY(acknowledge(received));
  // Frames that arrived although their last byte was never known to be written.
  written_ = frames_.size();
  release();
  written_ = 0;
  return {};
}

}  // namespace flexai::wire
