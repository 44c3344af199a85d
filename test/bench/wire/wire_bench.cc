// wire_bench [SECONDS] [CARRIER...]: what a session costs over what it runs on. Prints JSON.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "test/bench/wire/figures.h"

using flexai::wire::Carrier;
using namespace flexai::bench;

namespace {

nlohmann::json to_json(const Latency& latency) {
  return {{"p50_us", latency.p50_us}, {"p99_us", latency.p99_us}, {"rounds", latency.rounds}};
}

nlohmann::json measure(Carrier carrier, double seconds) {
  Latency raw = raw_ping_pong(carrier, 64, seconds);
  Latency session = session_ping_pong(carrier, 64, seconds);
  double raw_rate = raw_stream(carrier, seconds), lane_rate = lane_stream(carrier, seconds);
  double bulk_rate = bulk_stream(carrier, 1, seconds), striped = bulk_stream(carrier, 2, seconds);
  return {{"raw_ping_pong", to_json(raw)},
          {"session_ping_pong", to_json(session)},
          {"round_trips", raw.p50_us > 0 ? session.p50_us / raw.p50_us : 0},
          {"raw_stream_mb_s", raw_rate},
          {"lane_stream_mb_s", lane_rate},
          {"bulk_stream_mb_s", bulk_rate},
          {"bulk_stream_2_stripes_mb_s", striped},
          {"bulk_share", raw_rate > 0 ? std::max(bulk_rate, striped) / raw_rate : 0},
          {"million_messages_s_64B", lane_messages(carrier, 64, seconds)}};
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  const std::pair<const char*, Carrier> carriers[] = {{"unix", Carrier::kUnix},
                                                      {"shm", Carrier::kShared},
                                                      {"tcp", Carrier::kTcp},
                                                      {"tls", Carrier::kTls}};
  nlohmann::json all;
  for (const auto& [name, carrier] : carriers) {
    bool wanted = argc <= 2;
    for (int i = 2; i < argc; ++i) wanted |= std::string(argv[i]) == name;
    if (wanted) all[name] = measure(carrier, seconds);
  }
  std::cout << all.dump(2) << "\n";
}
