#include "wire/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "wire/crc32c.h"

namespace flexai::wire {

static_assert(std::endian::native == std::endian::little, "headers are copied as they are");

using base::Code;
using base::fail;

namespace {

// As it travels.
struct Packed {
  uint32_t magic;
  uint8_t type, flags;
  uint16_t lane;
  uint32_t length, check;
  uint64_t seq, ack;
};
static_assert(sizeof(Packed) == kHeaderBytes);

uint32_t most_of(FrameType type) {
  switch (type) {
    case FrameType::kHello:
    case FrameType::kWelcome:
    case FrameType::kRefuse:
      return kMaxGreeting;
    case FrameType::kData:
      return kMaxData;
    case FrameType::kChunk:
      return kMaxPayload;
    case FrameType::kAck:
    case FrameType::kPing:
    case FrameType::kPong:
      return 0;
    case FrameType::kCredit:
    case FrameType::kGoodbye:
    case FrameType::kDead:
    case FrameType::kChunkAck:
    case FrameType::kAdopt:
      return kMaxNote;
    case FrameType::kMoved:
      return kMaxMoved;
  }
  return 0;
}

}  // namespace

HeaderBytes encode_header(const FrameHeader& header) {
  Packed packed{kFrameMagic,   static_cast<uint8_t>(header.type),
                header.flags,  header.lane,
                header.length, header.check,
                header.seq,    header.ack};
  return std::bit_cast<HeaderBytes>(packed);
}

base::Result<FrameHeader> decode_header(std::span<const std::byte, kHeaderBytes> bytes,
                                        uint32_t most) {
  Packed packed;
  std::memcpy(&packed, bytes.data(), sizeof packed);
  if (packed.magic != kFrameMagic)
    return fail(Code::kCorrupt, "no frame: the peer does not speak Flexai's protocol");
  FrameHeader header{static_cast<FrameType>(packed.type),
                     packed.flags,
                     packed.lane,
                     packed.length,
                     packed.check,
                     packed.seq,
                     packed.ack};
  if (packed.type < 1 || packed.type > static_cast<uint8_t>(FrameType::kAdopt))
    return fail(Code::kCorrupt, "frame of the unknown type " + std::to_string(packed.type));
  if ((packed.flags & ~kChecked) != 0)
    return fail(Code::kCorrupt, "frame with unknown flags " + std::to_string(packed.flags));
  if (packed.length > std::min(most, most_of(header.type)))
    return fail(Code::kCorrupt, "frame of type " + std::to_string(packed.type) + " with " +
                                    std::to_string(packed.length) + " bytes, which is too many");
  if (is_sequenced(header.type) == (packed.seq == 0))
    return fail(Code::kCorrupt, "frame of type " + std::to_string(packed.type) +
                                    " with the sequence " + std::to_string(packed.seq));
  return header;
}

uint32_t frame_check(const FrameHeader& header, Bytes payload) {
  FrameHeader blank = header;
  blank.check = 0;
  HeaderBytes bytes = encode_header(blank);
  return crc32c(payload, crc32c(bytes));
}

bool is_sequenced(FrameType type) {
  return type == FrameType::kData || type == FrameType::kGoodbye;
}

}  // namespace flexai::wire
