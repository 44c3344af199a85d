// SessionState: what the host's side of a session is, as a value: another process that adopts it
// goes on where this one stopped, and the client sees no more than a cut. Values and pure
// functions; any thread. Memory: as much as the session's windows let it hold. Decoding trusts
// nothing: every number is compared with the others and with what a session may have at all.
#pragma once

#include <vector>

#include "wire/hello.h"

namespace flexai::wire {

inline constexpr size_t kMostState = 192u << 20;  // encoded

struct LaneState {
  uint16_t id = 0;
  uint64_t sent = 0, credit = 0;                // bytes ever, as frame_cost()
  uint64_t arrived = 0, read = 0, granted = 0;  // the same of what came
  std::vector<std::vector<std::byte>> unread;   // payloads of frames, oldest first
  std::vector<std::byte> batch;                 // messages that have not gone yet
  uint32_t batched = 0;
  bool operator==(const LaneState&) const = default;
};

struct SentFrame {
  uint16_t lane = 0;
  std::vector<std::byte> payload;
  bool operator==(const SentFrame&) const = default;
};

struct SessionState {
  SessionId id{};
  SessionKey key{};
  uint32_t epoch = 0;     // of the last connection
  uint64_t features = 0;  // that both sides have
  uint32_t grace_ms = 0;
  uint16_t lanes = 0;
  uint32_t window = 0, lane_window = 0;            // of this side
  uint32_t peer_window = 0, peer_lane_window = 0;  // of the client
  uint64_t received = 0;                           // highest seq taken in
  uint64_t acknowledged = 0;                       // highest seq that the client has
  std::vector<SentFrame> outbox;                   // those behind it, in order
  std::vector<LaneState> lane;                     // those in use
  bool any = false;                                // one thread receives from all lanes:
  std::vector<uint16_t> arrivals;                  // those of unread frames as they came
  bool operator==(const SessionState&) const = default;
};

base::Status encode(const SessionState& state, Writer& writer);
base::Result<SessionState> decode_session_state(Bytes bytes);

}  // namespace flexai::wire
