// TokenBucket: at most `rate` a second on average, `burst` at once. Pure: the time comes in.
// Threads: one.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace flexai::kube {

class TokenBucket {
 public:
  // A rate of 0 or less: no limit.
  TokenBucket(double rate, double burst)
      : rate_(rate), burst_(std::max(burst, 1.0)), tokens_(burst_) {}

  // Takes one token and returns 0, or takes none and returns how long until there is one.
  base::Nanos take(base::Nanos now) {
    if (rate_ <= 0) return 0;
    if (last_ != 0 && now > last_)
      tokens_ = std::min(burst_, tokens_ + rate_ * static_cast<double>(now - last_) / 1e9);
    last_ = std::max(last_, now);
    if (tokens_ < 1) return static_cast<base::Nanos>((1 - tokens_) / rate_ * 1e9) + 1;
    tokens_ -= 1;
    return 0;
  }

 private:
  const double rate_, burst_;
  double tokens_;
  base::Nanos last_ = 0;
};

}  // namespace flexai::kube
