// flexai net test: what the network to another host gives, and what a program may expect of it.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/host_link.h"
#include "apps/cli/commands.h"
#include "apps/installation.h"
#include "base/clock.h"
#include "wire/probe.h"

namespace flexai::apps {
namespace {

using base::monotonic_now;
using base::Nanos;
using nlohmann::json;

constexpr Nanos kPatience = 50 * base::kSecond;
constexpr double kMega = 1e6;

struct State {
  std::string host, pki;
  int trips = 500;
  uint64_t megabytes = 64;
};

struct Figures {
  Nanos connect = 0, typical = 0, slow = 0;  // round trips: median, 99th of a hundred
  double up = 0, down = 0;                   // bytes a second
};

base::Result<Figures> measure(const State& state) {
  FLEXAI_TRY_ASSIGN(
      agent::HostLink link,
      agent::HostLink::open(state.host, state.pki.empty() ? default_pki() : state.pki));
  Figures figures;
  const Nanos begin = monotonic_now(), deadline = begin + kPatience;
  FLEXAI_TRY_ASSIGN(auto transport, link.connect(wire::kProbeName));
  figures.connect = monotonic_now() - begin;
  FLEXAI_TRY_ASSIGN(auto times, wire::probe_round_trips(*transport, state.trips, deadline));
  std::sort(times.begin(), times.end());
  figures.typical = times[times.size() / 2];
  figures.slow = times[times.size() * 99 / 100];
  const uint64_t bytes = state.megabytes * 1000000;
  for (bool up : {true, false}) {
    FLEXAI_TRY_ASSIGN(const Nanos took, wire::probe_stream(*transport, up, bytes, deadline));
    (up ? figures.up : figures.down) =
        static_cast<double>(bytes) / (static_cast<double>(took) / base::kSecond);
  }
  transport->shutdown();
  return figures;
}

double micros(Nanos time) { return static_cast<double>(time) / base::kMicrosecond; }

// A training step waits for its host once: that is what it loses at least.
std::string expectation(const Figures& f) {
  char text[400];
  const double step_ms = micros(f.typical) / 1000 * 20;
  snprintf(text, sizeof text,
           "Each time a program waits for the card it waits %.0f us longer than beside it. A "
           "training step that waits once keeps 95%% of its speed when it takes %.1f ms or more; "
           "moving 100 MB takes %.2f s there and %.2f s back.",
           micros(f.typical), step_ms, 100 * kMega / f.up, 100 * kMega / f.down);
  return text;
}

base::Status test(const Shell& shell, const State& state) {
  FLEXAI_TRY_ASSIGN(const Figures f, measure(state));
  if (shell.json) {
    print_json({{"host", state.host},
                {"connect_us", micros(f.connect)},
                {"round_trip_us", micros(f.typical)},
                {"round_trip_p99_us", micros(f.slow)},
                {"up_bytes_per_second", f.up},
                {"down_bytes_per_second", f.down}});
    return {};
  }
  printf("connect     %8.2f ms  TLS 1.3, both sides with certificates\n", micros(f.connect) / 1000);
  printf("round trip  %8.0f us  half of them; 99 of 100 within %.0f us\n", micros(f.typical),
         micros(f.slow));
  printf("to host     %8.0f MB/s  one connection; large transfers use several\n", f.up / kMega);
  printf("from host   %8.0f MB/s\n%s\n", f.down / kMega, expectation(f).c_str());
  return {};
}

}  // namespace

void add_net(CLI::App& app, Shell& shell) {
  CLI::App* net = app.add_subcommand("net", "the network between hosts");
  net->require_subcommand(1);
  auto state = std::make_shared<State>();
  CLI::App* command =
      declare(*net, shell, "test", "round trip and bandwidth to a host, and what to expect of them",
              "  flexai net test gpu1\n  flexai net test gpu1:7700 --json\n");
  command->add_option("host", state->host, "the host")->required()->type_name("HOST[:PORT]");
  command->add_option("--pki", state->pki, "folder of this host's certificate")
      ->type_name("FOLDER");
  command->add_option("--trips", state->trips, "round trips to measure (default 500)")
      ->check(CLI::Range(1, 100000));
  command->add_option("--megabytes", state->megabytes, "to send each way (default 64)")
      ->check(CLI::Range(1u, 4000u));
  perform(command, shell, [&shell, state](Client&) { return test(shell, *state); });
}

}  // namespace flexai::apps
