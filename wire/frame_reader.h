// FrameReader: cuts one connection's stream into frames. A frame in the making is held in one
// buffer of its announced, already bounded size.
// Threads: one at a time.
#pragma once

#include <vector>

#include "wire/block.h"
#include "wire/frame.h"
#include "wire/transport.h"

namespace flexai::wire {

struct InFrame {
  FrameHeader header;
  Block payload;
};

class FrameReader {
 public:
  FrameReader();

  // Receives once and appends the frames that are whole now. Bytes received, 0 when there was
  // nothing; kUnavailable when the stream is over, kCorrupt when it makes no sense.
  base::Result<size_t> receive(Transport& transport, std::vector<InFrame>& frames);

 private:
  base::Status parse(bool checked, std::vector<InFrame>& frames);
  base::Status finish(bool checked, std::vector<InFrame>& frames);

  Block buffer_;
  size_t begin_ = 0, end_ = 0;  // of what is in buffer_ and not parsed
  bool in_payload_ = false;
  InFrame frame_;
  size_t filled_ = 0;  // of frame_.payload
};

}  // namespace flexai::wire
