// Pace: how often somebody may have something done: `burst` times at once, and once more each
// `period` (a token bucket). Pure: told the time. Threads: one.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace flexai::agent {

class Pace {
 public:
  Pace(double burst, base::Nanos period) : burst_(burst), period_(period), left_(burst) {}

  // False: too often.
  bool take(base::Nanos now) {
    const auto passed = static_cast<double>(std::max<base::Nanos>(now - seen_, 0));
    left_ = std::min(burst_, left_ + passed / static_cast<double>(period_));
    seen_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }

 private:
  double burst_;
  base::Nanos period_;
  double left_;
  base::Nanos seen_ = 0;
};

}  // namespace flexai::agent
