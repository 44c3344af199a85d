// Structured log lines: `time level component message key=value ...` (logfmt), one write(2) a line,
// to a file descriptor chosen once. Safe from any thread; never throws, never touches stdout. A
// shim leaves the sink at kNoSink until its knobs name a file, so that a tenant's own output is
// never mixed with ours.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace flexai::base {

enum class Level { kDebug, kInfo, kWarn, kError };

inline constexpr int kNoSink = -1;

void set_log(int fd, Level least);  // not owned; kNoSink = silent
using LogField = std::pair<std::string_view, std::string>;
void log(Level level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields = {});

}  // namespace flexai::base
