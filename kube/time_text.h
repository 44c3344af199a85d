// Wall-clock time as Kubernetes writes it: seconds, or microseconds for what has those. Threads:
// any.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

namespace flexai::kube {

inline int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// "2026-01-31T12:00:00Z", with a fraction or without; 0: it is none.
inline int64_t unix_ms_of(const std::string& text) {
  std::tm tm{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == nullptr) return 0;
  int64_t ms = static_cast<int64_t>(timegm(&tm)) * 1000;
  int64_t worth = *rest == '.' ? 100 : 0;
  for (++rest; worth > 0 && *rest >= '0' && *rest <= '9'; ++rest, worth /= 10)
    ms += worth * (*rest - '0');
  return ms;
}

inline std::string now_text(bool micro) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm tm{};
  gmtime_r(&now.tv_sec, &tm);
  char text[40];
  const size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  std::string whole(text, size);
  if (micro) {
    const std::string digits = std::to_string(1'000'000 + now.tv_nsec / 1000);
    whole += "." + digits.substr(1);
  }
  return whole + "Z";
}

}  // namespace flexai::kube
