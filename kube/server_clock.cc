#include "kube/server_clock.h"

#include <cstdlib>
#include <ctime>

#include "kube/time_text.h"

namespace flexai::kube {

namespace {

constexpr int64_t kSameMs = 2'000;    // a Date has whole seconds, and took its time to come
constexpr int64_t kWorthMs = 30'000;  // telling
constexpr int64_t kMostMs = int64_t{100} * 366 * 86'400'000;  // more is nonsense

}  // namespace

void ServerClock::heard(std::string_view date, int64_t own_ms) {
  std::tm tm{};
  const std::string text(date.substr(0, 40));
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
  if (end == nullptr || *end != '\0') return;
  int64_t ahead = static_cast<int64_t>(timegm(&tm)) * 1000 + 500 - own_ms;
  if (std::abs(ahead) > kMostMs) return;
  if (std::abs(ahead) <= kSameMs) ahead = 0;
  if (ahead == 0 || std::abs(ahead - ahead_ms_) > kSameMs) ahead_ms_ = ahead;
}

int64_t ServerClock::now_ms() const { return unix_ms() + ahead_ms_; }

std::string clock_warning(int64_t ahead_ms, int64_t* told_ms) {
  if (std::abs(ahead_ms - *told_ms) < kWorthMs) return "";
  *told_ms = ahead_ms;
  if (std::abs(ahead_ms) < kWorthMs) return "the clocks of this host and of the API server agree";
  return "the clock of this host is " + std::to_string(std::abs(ahead_ms) / 1000) + " s " +
         (ahead_ms > 0 ? "behind" : "ahead of") +
         " the API server's; set it right, or certificates and tokens will not be accepted";
}

}  // namespace flexai::kube
