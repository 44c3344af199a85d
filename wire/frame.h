// The frame: 32 bytes of header, then `length` bytes. Everything that travels is in frames.
// Format: docs/formats/wire.md. Pure functions and values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "wire/codec.h"

namespace flexai::wire {

inline constexpr uint32_t kFrameMagic = 0x31575846;  // "FXW1"
inline constexpr size_t kHeaderBytes = 32;
inline constexpr uint32_t kMaxMessage = 128u << 10;      // body of one message of a lane
inline constexpr uint32_t kMaxData = kMaxMessage + 64;   // of a frame of messages
inline constexpr uint32_t kMaxChunk = 1u << 20;          // of bulk data
inline constexpr uint32_t kMaxPayload = kMaxChunk + 64;  // of any frame
inline constexpr uint32_t kMaxGreeting = 16u << 10;      // of a frame before the welcome
inline constexpr uint32_t kMaxNote = 4096;               // of a frame of the session itself
inline constexpr uint32_t kMaxMoved = 64u << 10;  // of what a client is told of its new place
inline constexpr uint8_t kChecked = 1;            // flag: `check` is filled

enum class FrameType : uint8_t {
  kHello = 1,    // Hello; the first frame of every connection
  kWelcome = 2,  // Welcome
  kRefuse = 3,   // Refusal: instead of a welcome
  kData = 4,     // messages of a lane; sequenced
  kAck = 5,      // empty; every header acknowledges, this one does nothing else
  kCredit = 6,   // Credits
  kPing = 7,     // empty, asks for kPong
  kPong = 8,
  kGoodbye = 9,    // resume key; sequenced: the session is over by its peer's will
  kDead = 10,      // Refusal: the session is over
  kChunk = 11,     // on a bulk connection: id, offset, bytes
  kChunkAck = 12,  // on a bulk connection: id, offset
  kMoved = 13,     // of the host: it has handed the session on; where to, opaque here
  kAdopt = 14      // instead of a hello: another host hands a session on; a ticket
};

struct FrameHeader {
  FrameType type{};
  uint8_t flags = 0;
  uint16_t lane = 0;
  uint32_t length = 0;  // of what follows the header
  uint32_t check = 0;   // CRC-32C of header (with check 0) and payload when flagged
  uint64_t seq = 0;     // of sequenced frames, from 1 a session and direction; 0 otherwise
  uint64_t ack = 0;     // highest sequence received so far
  bool operator==(const FrameHeader&) const = default;
};

using HeaderBytes = std::array<std::byte, kHeaderBytes>;

HeaderBytes encode_header(const FrameHeader& header);

// kCorrupt when it is no header: magic, type, flags, or a length over `most` or the type's own.
base::Result<FrameHeader> decode_header(std::span<const std::byte, kHeaderBytes> bytes,
                                        uint32_t most = kMaxPayload);

// The value of `check` for a header (whose check is taken as 0) and its payload.
uint32_t frame_check(const FrameHeader& header, Bytes payload);

bool is_sequenced(FrameType type);

}  // namespace flexai::wire
