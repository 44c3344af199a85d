// ServerClock: what time it is at the API server, by the Date of its answers, to two seconds. Ages
// of objects are by its clock, so who compares them with "now" must mean the same clock, however
// wrong our own is. Source: RFC 9110, 6.6.1. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace flexai::kube {

class ServerClock {
 public:
  // Of one answer; what is no date is passed over. `own_ms`: our time then, since 1970.
  void heard(std::string_view date, int64_t own_ms);
  // How far it is ahead of ours; 0 when they agree, or nothing was heard.
  int64_t ahead_ms() const { return ahead_ms_; }
  int64_t now_ms() const;

 private:
  std::atomic<int64_t> ahead_ms_{0};
};

// What people should know of it, once for each change; empty: nothing. `told_ms`: what was said
// last.
std::string clock_warning(int64_t ahead_ms, int64_t* told_ms);

}  // namespace flexai::kube
