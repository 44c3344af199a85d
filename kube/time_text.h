// Wall-clock time as Kubernetes writes it: seconds, or microseconds for what has those. Threads:
// any.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace flexai::kube {

inline int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Of "2026-01-31T12:00:00" and whatever follows, as servers write it; nullopt: written in any other
// way. The C library takes its locale and its zone into account, which costs a lot with every lease
// and pod of a cluster.
inline std::optional<int64_t> plain_seconds(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() < kShape.size()) return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i)
    if (kShape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != kShape[i])
      return std::nullopt;
  const auto number = [text](size_t at, size_t size) {
    int value = 0;
    for (; size > 0; ++at, --size) value = value * 10 + (text[at] - '0');
    return value;
  };
  const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return int64_t{std::chrono::sys_days(day).time_since_epoch().count()} * 86400 + hour * 3600 +
         minute * 60 + second;
}

// "2026-01-31T12:00:00Z", with a fraction or without; 0: it is none.
inline int64_t unix_ms_of(const std::string& text) {
  const std::optional<int64_t> plain = plain_seconds(text);
  std::tm tm{};
  const char* rest = plain ? text.c_str() + 19 : strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == nullptr) return 0;
  int64_t ms = (plain ? *plain : static_cast<int64_t>(timegm(&tm))) * 1000;
  int64_t worth = *rest == '.' ? 100 : 0;
  for (++rest; worth > 0 && *rest >= '0' && *rest <= '9'; ++rest, worth /= 10)
    ms += worth * (*rest - '0');
  return ms;
}

// To the second. Empty: a year that has no four digits, or one before 1970.
inline std::string text_of_seconds(int64_t seconds) {
  constexpr int64_t kLast = 253402300799;  // of the year 9999
  if (seconds < 0 || seconds > kLast) return "";
  const std::chrono::year_month_day day{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(seconds / 86400)))};
  std::string text = "0000-00-00T00:00:00Z";
  const auto put = [&text](size_t end, int64_t value) {
    for (; value > 0; value /= 10) text[--end] = static_cast<char>('0' + value % 10);
  };
  put(4, int{day.year()});
  put(7, unsigned{day.month()});
  put(10, unsigned{day.day()});
  put(13, seconds / 3600 % 24);
  put(16, seconds / 60 % 60);
  put(19, seconds % 60);
  return text;
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
