// Transport over two rings in shared memory; the unix socket over which they were agreed tells when
// the peer dies and wakes a peer that sleeps for long.
// Waiting: a spin (hope.h) while that has been paying lately, then a futex, after 10 ms the socket.
// Everything the peer can write is read once and bounded; bytes are copied out. Threads: as
// Transport.
#pragma once

#include <memory>

#include "base/fd.h"
#include "wire/transport.h"

namespace flexai::wire {

inline constexpr uint64_t kRingBytes = 1u << 20;

// The client's side: makes the memory and offers it on the connected `socket`.
base::Result<std::unique_ptr<Transport>> offer_shared_memory(base::Fd socket, base::Nanos deadline,
                                                             uint64_t ring_bytes = kRingBytes);
// The host's side: takes the offer that is on `socket`. kCorrupt for memory that is not sealed or
// not of the size announced.
base::Result<std::unique_ptr<Transport>> take_shared_memory(base::Fd socket, base::Nanos deadline);

}  // namespace flexai::wire
