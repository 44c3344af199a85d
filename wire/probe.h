// Probe: what a connection gives, measured with nothing on it: round trips of 32 bytes and a stream
// each way. The asking side sends 16 bytes, u32 0x50584246, u32 what (1 back: 32 bytes to be sent
// back, 2 take: so many bytes to be taken and acknowledged with 8, 3 give: so many to be sent), u64
// bytes; at most 4 GiB. Threads: one each side; blocks.
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "wire/transport.h"

namespace flexai::wire {

// The name that a TLS client asks for.
inline constexpr const char* kProbeName = "probe.flexai";

// The answering side: until the other one goes away, at most until `deadline`.
base::Status serve_probe(Transport& transport, base::Nanos deadline);

base::Result<std::vector<base::Nanos>> probe_round_trips(Transport& transport, int count,
                                                         base::Nanos deadline);
// How long `bytes` took; `up`: to the host.
base::Result<base::Nanos> probe_stream(Transport& transport, bool up, uint64_t bytes,
                                       base::Nanos deadline);

}  // namespace flexai::wire
