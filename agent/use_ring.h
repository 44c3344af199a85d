// UseRing: device time used over the last seconds, in tenths of a second. Threads: one. Units:
// Nanos.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace flexai::agent {

class UseRing {
 public:
  void add(base::Nanos now, base::Nanos used) {
    int64_t tenth = now / kTenth;
    Bucket& bucket = buckets_[static_cast<size_t>(tenth) % buckets_.size()];
    if (bucket.tenth != tenth) bucket = {tenth, 0};
    bucket.used += used;
  }
  // Part of the time used over the last `seconds` full seconds up to the last full tenth, 1 to 10.
  double part(base::Nanos now, int64_t seconds) const {
    int64_t last = now / kTenth;
    base::Nanos used = 0;
    for (const Bucket& b : buckets_)
      if (b.tenth < last && b.tenth >= last - 10 * seconds) used += b.used;
    return static_cast<double>(used) / static_cast<double>(seconds * base::kSecond);
  }

 private:
  static constexpr base::Nanos kTenth = 100 * base::kMillisecond;
  struct Bucket {
    int64_t tenth = -1000;
    base::Nanos used = 0;
  };
  std::array<Bucket, 102> buckets_{};
};

}  // namespace flexai::agent
