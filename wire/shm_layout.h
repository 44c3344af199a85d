// The memory of a shared-memory connection: one memfd, sealed against growing and shrinking, made
// by the client. First a page of words, then two rings of bytes. docs/formats/wire.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace flexai::wire {

inline constexpr uint32_t kShmMagic = 0x4d535846;  // "FXSM", first on the socket
inline constexpr uint32_t kShmVersion = 2;
inline constexpr size_t kShmPage = 4096;
inline constexpr uint64_t kLeastRing = 4096, kMostRing = 64u << 20;

// What the client sends with the memfd.
struct ShmOffer {
  uint32_t magic, version;
  uint64_t ring_bytes;  // of each ring; a power of two
};

// Both words count bytes ever and only grow. Ring 0 carries the client's bytes, ring 1 the host's.
struct ShmRing {
  alignas(64) std::atomic<uint64_t> head;  // written by who sends
  alignas(64) std::atomic<uint64_t> tail;  // written by who receives
};

// Of the client [0] and of the host [1].
struct ShmSide {
  alignas(64) std::atomic<uint32_t> bell;      // futex; the other side raises it
  alignas(64) std::atomic<uint32_t> sleepers;  // threads of this side that wait on the bell
  std::atomic<uint32_t> pollers;               // threads of this side that wait on the socket
  std::atomic<uint32_t> closed;                // this side sends no more
  std::atomic<uint32_t> rooms;                 // those of either kind that wait for room to write
};

struct ShmPage {
  ShmRing rings[2];
  ShmSide sides[2];
};
static_assert(sizeof(ShmPage) == 512 && sizeof(ShmOffer) == 16);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace flexai::wire
