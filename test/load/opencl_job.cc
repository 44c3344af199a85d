// A job that wants the card now and then, as trainings, services and notebooks do, each a sequence
// of steps of so many kernels. It knows nothing of Flexai.
//
//   flexai-job-opencl --loops N --kernels K (--steps S | --seconds T) [--seed X]
//       [--pause-us P]                       rests so long after each step, +- half of it
//       [--rate R [--on-ms A --off-ms B]]    steps come by themselves, R a second on average at
//                                            random times, in stretches of A ms with B ms between
//
// One step at a time; what comes meanwhile waits, and its time counts from when it came. Prints in
// JSON: steps, work (loops of all kernels), begin_ns and end_ns (CLOCK_MONOTONIC; the first step's
// begin, the last one's end) and latency_ms, sorted: from a step's coming to its end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "test/load/card.h"

using namespace flexai::test;

namespace {

constexpr long long kMs = 1'000'000;

struct Options {
  int loops = 1000, kernels = 1;
  long long steps = 0, pause_us = 0, on_ms = 0, off_ms = 0;
  double seconds = 0, rate = 0;
  unsigned seed = 1;
};

// When steps come, in nanoseconds since the begin.
class Arrivals {
 public:
  explicit Arrivals(const Options& o) : o_(o), chance_(o.seed) {}

  long long next() {
    std::exponential_distribution<double> gap(o_.rate);
    busy_ += static_cast<long long>(gap(chance_) * 1e9);
    if (o_.on_ms == 0) return busy_;
    // Time that counts only while steps may come.
    return busy_ / (o_.on_ms * kMs) * ((o_.on_ms + o_.off_ms) * kMs) + busy_ % (o_.on_ms * kMs);
  }
  // Around the usual pause.
  long long pause() {
    std::uniform_real_distribution<double> part(0.5, 1.5);
    return static_cast<long long>(part(chance_) * static_cast<double>(o_.pause_us));
  }

 private:
  const Options& o_;
  std::mt19937 chance_;
  long long busy_ = 0;
};

void sleep_until(long long when) {
  for (long long left; (left = when - now()) > 0;)
    usleep(static_cast<useconds_t>(std::max(1LL, left / 1000)));
}

void run(const Card& card, const Options& o) {
  launch(card, o.loops, nullptr);
  check(clFinish(card.queue), "clFinish");  // built and warm
  Arrivals arrivals(o);
  std::vector<double> latencies;
  const long long begin = now();
  const long long until = o.seconds > 0 ? begin + static_cast<long long>(o.seconds * 1e9) : 0;
  long long end = begin;
  while (o.steps == 0 || static_cast<long long>(latencies.size()) < o.steps) {
    const long long came = o.rate > 0 ? begin + arrivals.next() : now();
    if (until != 0 && came >= until) break;
    sleep_until(came);
    for (int k = 0; k < o.kernels; ++k) launch(card, o.loops, nullptr);
    check(clFinish(card.queue), "clFinish");
    end = now();
    latencies.push_back(static_cast<double>(end - came) / 1e6);
    if (o.pause_us > 0) sleep_until(end + arrivals.pause() * 1000);
  }
  if (until != 0) sleep_until(until);
  std::sort(latencies.begin(), latencies.end());
  printf("{\"steps\": %zu, \"work\": %lld, \"begin_ns\": %lld, \"end_ns\": %lld, \"latency_ms\": [",
         latencies.size(), static_cast<long long>(latencies.size()) * o.kernels * o.loops, begin,
         std::max(end, until));
  for (size_t i = 0; i < latencies.size(); ++i) printf("%s%.3f", i != 0 ? ", " : "", latencies[i]);
  printf("]}\n");
}

int usage(const char* what) {
  fprintf(stderr, "flexai-job-opencl: %s\n", what);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--loops")
      o.loops = atoi(value);
    else if (name == "--kernels")
      o.kernels = atoi(value);
    else if (name == "--steps")
      o.steps = atoll(value);
    else if (name == "--seconds")
      o.seconds = atof(value);
    else if (name == "--pause-us")
      o.pause_us = atoll(value);
    else if (name == "--rate")
      o.rate = atof(value);
    else if (name == "--on-ms")
      o.on_ms = atoll(value);
    else if (name == "--off-ms")
      o.off_ms = atoll(value);
    else if (name == "--seed")
      o.seed = static_cast<unsigned>(atoi(value));
    else
      return usage("unknown option");
  }
  if ((o.steps <= 0) == (o.seconds <= 0)) return usage("either --steps or --seconds");
  if (o.loops < 1 || o.kernels < 1 || o.on_ms < 0 || o.off_ms < 0) return usage("out of range");
  run(open_card(4096, false), o);
}
