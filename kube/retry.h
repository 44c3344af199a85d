// Whether and when a request is repeated. Pure but for its random numbers. Source of the jitter:
// "equal jitter", Brooker, Exponential Backoff And Jitter, AWS Architecture Blog 2015. Threads:
// one.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace flexai::kube {

struct Call;
struct Failure;

// A small generator (SplitMix64, Steele, Lea, Flood, OOPSLA 2014); nothing secret comes from it.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  base::Nanos below(base::Nanos bound);  // 0 when bound <= 0

 private:
  uint64_t state_;
};
uint64_t fresh_seed();  // differs between processes and calls

// first, 2 x first, ... at most `most`, each times 0.5 to 1.
class Backoff {
 public:
  Backoff(base::Nanos first, base::Nanos most, uint64_t seed)
      : first_(first), most_(most), random_(seed) {}
  base::Nanos next();
  void reset() { tried_ = 0; }
  int tried() const { return tried_; }

 private:
  base::Nanos first_, most_;
  int tried_ = 0;
  Random random_;
};

// What nobody has acted on is repeated; what may have been done, only when that does no harm.
// A conflict and a request that is wrong are never repeated.
bool may_repeat(const Call& call, const Failure& failure);

}  // namespace flexai::kube
