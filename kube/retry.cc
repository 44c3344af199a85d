#include "kube/retry.h"

#include <sys/random.h>

#include <algorithm>
#include <atomic>

#include "kube/call.h"
#include "kube/failure.h"

namespace flexai::kube {

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

base::Nanos Random::below(base::Nanos bound) {
  return bound <= 0 ? 0 : static_cast<base::Nanos>(next() % static_cast<uint64_t>(bound));
}

uint64_t fresh_seed() {
  static std::atomic<uint64_t> count{0};
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
    seed = static_cast<uint64_t>(base::monotonic_now());
  return seed + count.fetch_add(1);
}

base::Nanos Backoff::next() {
  base::Nanos step = first_;
  for (int i = 0; i < tried_ && step < most_; ++i) step *= 2;
  step = std::min(step, most_);
  ++tried_;
  return step / 2 + random_.below(step / 2 + 1);
}

bool may_repeat(const Call& call, const Failure& failure) {
  const bool may_pass =
      failure.code == base::Code::kUnavailable || failure.code == base::Code::kTimeout;
  if (failure.http == 0 && !may_pass)
    return false;  // a certificate, a limit of ours, a broken peer
  if (failure.unprocessed) return true;
  switch (failure.http) {
    case 0:
      return call.repeatable;
    case 429:
      return call.waits_when_throttled;
    case 500:
    case 502:
    case 503:
    case 504:
      return call.repeatable;
    default:
      return false;
  }
}

}  // namespace flexai::kube
