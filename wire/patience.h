// Patience: a deadline that time in which this process did not run (it was stopped) does not bring
// nearer: the peer could not be heard then. Waits are made in slices, so that a stop shows. Pure:
// told the time, keeps no clock.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace flexai::wire {

class Patience {
 public:
  Patience(base::Nanos deadline, base::Nanos now) : deadline_(deadline), seen_(now) {}

  // Before each wait; it is over after a wait in which nothing came.
  bool over(base::Nanos now) {
    if (now - seen_ > 2 * kSlice) deadline_ += now - seen_ - kSlice;
    seen_ = now;
    return now >= deadline_;
  }
  base::Nanos next(base::Nanos now) const { return std::min(deadline_, now + kSlice); }

 private:
  static constexpr base::Nanos kSlice = 250 * base::kMillisecond;

  base::Nanos deadline_;
  base::Nanos seen_;  // when somebody last looked
};

}  // namespace flexai::wire
