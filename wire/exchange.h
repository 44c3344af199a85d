// Whole frames over a Transport, waiting: what happens before a session has the connection.
// Reads not a byte beyond the frame. Threads: as Transport.
#pragma once

#include <vector>

#include "wire/frame.h"
#include "wire/transport.h"

namespace flexai::wire {

struct Frame {
  FrameHeader header;
  std::vector<std::byte> payload;
};

// kTimeout after `deadline`, kUnavailable when the peer went away, kCorrupt on what is no frame.
base::Status send_frame(Transport& transport, FrameType type, Bytes payload, base::Nanos deadline);
base::Result<Frame> receive_frame(Transport& transport, uint32_t most, base::Nanos deadline);

// The same for bytes without a frame.
base::Status send_all(Transport& transport, Bytes bytes, base::Nanos deadline);
base::Status receive_all(Transport& transport, std::span<std::byte> into, base::Nanos deadline);

}  // namespace flexai::wire
