// Connection: one transport of a session and what belongs to it alone. A session that is cut gets
// another one. Its owner, the Session, guards it: `reading` and `writing` are roles, held by at
// most one thread each, which alone touches the fields named under them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "wire/frame_reader.h"
#include "wire/outbox.h"
#include "wire/silence.h"

namespace flexai::wire {

struct Connection {
  Connection(std::unique_ptr<Transport> t, base::Nanos allowed, bool watches)
      : transport(std::move(t)), silence(allowed, transport->tells_end(), watches) {}

  const std::unique_ptr<Transport> transport;

  // Under the session's mutex.
  bool reading = false, writing = false;
  std::optional<base::Error> unwritable;  // sending failed; what the peer sent before is still read
  bool waits_to_write = false;            // the reader's wait ends also when there is room to write
  Silence silence;                        // while bytes of the peer are due
  bool calm = false;                      // nothing came or was sent for a while
  bool untimed = false;  // the reader waits for ever: nothing is due and it is calm
  bool want_ping = false, want_pong = false, want_ack = false;
  FrameType farewell_type = FrameType::kDead;
  std::vector<std::byte> farewell;  // its payload, to be sent
  bool bids_farewell = false;       // it was sent, and is to arrive

  // The reader's.
  FrameReader reader;
  std::vector<InFrame> frames;

  // The writer's: what is offered to the transport until all of it is taken.
  std::vector<iovec> parts;
  size_t first_part = 0;  // parts before it are gone
  size_t frames_in_parts = 0;
  Writer notes;  // frames without a sequence, in front
};

}  // namespace flexai::wire
