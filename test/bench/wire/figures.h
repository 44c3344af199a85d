// The measurements of wire_bench. Each runs for about `seconds`.
#pragma once

#include <vector>

#include "wire/endpoint.h"

namespace flexai::bench {

struct Latency {
  double p50_us = 0, p99_us = 0;
  long rounds = 0;
};

// A request of `bytes` and its echo: over the bare carrier with blocking calls where it has them,
// and through a session.
Latency raw_ping_pong(wire::Carrier carrier, size_t bytes, double seconds);
Latency session_ping_pong(wire::Carrier carrier, size_t bytes, double seconds);

// MB/s of 64 MiB one way: bare writes, and messages of 64 KiB on a lane.
double raw_stream(wire::Carrier carrier, double seconds);
double lane_stream(wire::Carrier carrier, double seconds);

// MB/s of 64 MiB as one bulk transfer to the host, over `stripes` connections.
double bulk_stream(wire::Carrier carrier, int stripes, double seconds);

// Millions of messages of `bytes` a second, in batches, with one reply after each thousand.
double lane_messages(wire::Carrier carrier, size_t bytes, double seconds);

Latency summary(std::vector<double> samples);  // microseconds

}  // namespace flexai::bench
