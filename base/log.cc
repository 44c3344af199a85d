#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "base/code_named.h"

namespace flexai::base {
namespace {

std::atomic<int> g_fd{kNoSink};
std::atomic<int> g_least{static_cast<int>(Level::kInfo)};

// A value with a blank, quote or control byte is quoted, so that a line stays a line whatever a
// tenant sends.
void append_value(std::string& line, std::string_view value) {
  bool plain = !value.empty();
  for (char c : value) plain = plain && c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7f;
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    line += (static_cast<unsigned char>(c) < ' ' || c == 0x7f) ? ' ' : c;
  }
  line += '"';
}

}  // namespace

void set_log(int fd, Level least) {
  g_fd = fd;
  g_least = static_cast<int>(least);
}

void log(Level level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields) {
  int fd = g_fd.load(std::memory_order_relaxed);
  if (fd < 0 || static_cast<int>(level) < g_least.load(std::memory_order_relaxed)) return;
  static constexpr const char* kNames[] = {"debug", "info", "warn", "error"};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char stamp[64];
  size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(stamp + n, sizeof stamp - n, ".%03ldZ", now.tv_nsec / 1000000);
  std::string line =
      std::string("time=") + stamp + " level=" + kNames[static_cast<int>(level)] + " component=";
  append_value(line, component);
  line += " msg=";
  append_value(line, message);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    append_value(line, value);
  }
  line += '\n';
  [[maybe_unused]] ssize_t written = ::write(fd, line.data(), line.size());
}

const char* code_name(Code code) {
  static constexpr const char* kNames[] = {"invalid",     "not_found", "exhausted",   "denied",
                                           "unavailable", "timeout",   "unsupported", "conflict",
                                           "corrupt",     "internal"};
  return kNames[static_cast<int>(code)];
}

Code code_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i)
    if (name == code_name(static_cast<Code>(i))) return static_cast<Code>(i);
  return Code::kInternal;
}

Error fail_errno(const std::string& what) {
  int e = errno;
  Code code = Code::kInternal;
  if (e == EACCES || e == EPERM) code = Code::kDenied;
  if (e == ENOENT || e == ESRCH) code = Code::kNotFound;
  if (e == ENOMEM || e == ENOSPC || e == EMFILE || e == ENFILE || e == EDQUOT)
    code = Code::kExhausted;
  if (e == ECONNREFUSED || e == ECONNRESET || e == EPIPE) code = Code::kUnavailable;
  if (e == ETIMEDOUT || e == EAGAIN) code = Code::kTimeout;
  if (e == EEXIST || e == EADDRINUSE) code = Code::kConflict;
  char text[128];
  return Error{code, what + ": " + strerror_r(e, text, sizeof text)};
}

}  // namespace flexai::base
