// RoomKey: what a node has free, or what a demand needs, packed into one word so that "has at
// least as much of everything" is one subtraction. Coarse: a node that lacks room by its key lacks
// it for certain, one that seems to have room must be looked at. Plain functions of integers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sched/shape.h"

namespace flexai::sched {

using RoomKey = uint64_t;

namespace room_key {

// Fields from bit 0 up; the bit above each is its guard, set when the field does not borrow.
inline constexpr int kMostBits = 10, kWholeBits = 5, kCpuBits = 14, kMemoryBits = 14,
                     kNetworkBits = 10, kOpenBits = 1;
inline constexpr int kWholeAt = kMostBits + 1, kCpuAt = kWholeAt + kWholeBits + 1,
                     kMemoryAt = kCpuAt + kCpuBits + 1, kNetworkAt = kMemoryAt + kMemoryBits + 1,
                     kOpenAt = kNetworkAt + kNetworkBits + 1;
static_assert(kOpenAt + kOpenBits < 64);
inline constexpr RoomKey kGuards =
    RoomKey{1} << kMostBits | RoomKey{1} << (kWholeAt + kWholeBits) |
    RoomKey{1} << (kCpuAt + kCpuBits) | RoomKey{1} << (kMemoryAt + kMemoryBits) |
    RoomKey{1} << (kNetworkAt + kNetworkBits) | RoomKey{1} << (kOpenAt + kOpenBits);
inline constexpr int kCpuShift = 5, kMemoryShift = 7, kNetworkShift = 7;

inline RoomKey field(int32_t value, int shift, int bits, int at) {
  const auto coarse = static_cast<RoomKey>(std::max(value, 0) >> shift);
  return std::min(coarse, (RoomKey{1} << bits) - 1) << at;
}

inline RoomKey pack(int32_t most, int32_t whole, int32_t cpu, int32_t memory, int32_t network,
                    bool open) {
  return field(most, 0, kMostBits, 0) | field(whole, 0, kWholeBits, kWholeAt) |
         field(cpu, kCpuShift, kCpuBits, kCpuAt) |
         field(memory, kMemoryShift, kMemoryBits, kMemoryAt) |
         field(network, kNetworkShift, kNetworkBits, kNetworkAt) | RoomKey{open} << kOpenAt;
}

}  // namespace room_key

inline RoomKey need_of(const Shape& s) {
  const bool several = s.cards > 1;
  return room_key::pack(several ? 0 : s.milli, several ? s.cards : 0, s.cpu_milli, s.memory_mib,
                        s.node_network_mbps, true);
}

inline bool may_have_room(RoomKey node, RoomKey need) {
  return (((node | room_key::kGuards) - need) & room_key::kGuards) == room_key::kGuards;
}

}  // namespace flexai::sched
