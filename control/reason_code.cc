#include "control/reason_code.h"

namespace flexai::control {

std::string code_of(sched::Reason reason) {
  if (reason == sched::Reason::kNone) return "Waiting";
  std::string code;  // "no_cards" is NoCards
  bool begin = true;
  for (const char* c = sched::reason_name(reason); *c != 0; ++c) {
    if (*c != '_') code += begin ? static_cast<char>(*c - 'a' + 'A') : *c;
    begin = *c == '_';
  }
  return code;
}

std::string code_of(base::Code code) {
  switch (code) {
    case base::Code::kUnavailable:
      return "ClaimNotThere";
    case base::Code::kNotFound:
      return "NotFound";
    case base::Code::kDenied:
      return "Denied";
    case base::Code::kUnsupported:
    case base::Code::kTimeout:  // of a search
      return "Unsupported";
    default:
      return "Invalid";
  }
}

}  // namespace flexai::control
