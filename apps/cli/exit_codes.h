// The one table of exit codes of `flexai`.
#pragma once

#include "base/result.h"

namespace flexai::apps {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitNoRoom = 4;
inline constexpr int kExitDenied = 5;
inline constexpr int kExitUnavailable = 6;
inline constexpr int kExitTimeout = 7;
inline constexpr int kExitConflict = 8;
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNoProgram = 127;

inline constexpr const char* kExitTable =
    "Exit codes:\n"
    "  0    done\n"
    "  1    failed\n"
    "  2    wrong usage or a value that makes no sense\n"
    "  3    no such slice, card or run\n"
    "  4    no room on the card\n"
    "  5    not allowed\n"
    "  6    the agent or the card cannot be used now\n"
    "  7    waited in vain\n"
    "  8    clashes with what is there: name taken, slice in use\n"
    "  run passes on the program's own exit code (128 + N when signal N ended it),\n"
    "  126 when it cannot be executed, 127 when it is not found\n";

inline int exit_code(base::Code code) {
  switch (code) {
    case base::Code::kInvalid:
      return kExitUsage;
    case base::Code::kNotFound:
      return kExitNotFound;
    case base::Code::kExhausted:
      return kExitNoRoom;
    case base::Code::kDenied:
      return kExitDenied;
    case base::Code::kUnavailable:
      return kExitUnavailable;
    case base::Code::kTimeout:
      return kExitTimeout;
    case base::Code::kConflict:
      return kExitConflict;
    default:
      return kExitFailed;
  }
}

}  // namespace flexai::apps
