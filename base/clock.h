// Time: nanoseconds of CLOCK_MONOTONIC, the one clock shared by agent and tenants of a host.
#pragma once

#include <time.h>

#include <cstdint>

namespace flexai::base {

using Nanos = int64_t;
inline constexpr Nanos kMicrosecond = 1000;
inline constexpr Nanos kMillisecond = 1000 * kMicrosecond;
inline constexpr Nanos kSecond = 1000 * kMillisecond;

inline Nanos monotonic_now() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<Nanos>(ts.tv_sec) * kSecond + ts.tv_nsec;
}

}  // namespace flexai::base
