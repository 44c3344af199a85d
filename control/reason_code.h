// The word of kube/reasons.h for what the core and the checks of claims say. Pure.
#pragma once

#include <string>

#include "base/result.h"
#include "sched/reason.h"

namespace flexai::control {

std::string code_of(sched::Reason reason);
std::string code_of(base::Code code);  // of what is wrong with a pod's claims or queue

// What goes before the words that people read: "NoCards: ".
inline std::string coded(const std::string& code, const std::string& words) {
  return code + ": " + words;
}

}  // namespace flexai::control
