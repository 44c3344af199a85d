// Injection: what `flexai run` puts into a program's environment so that its driver API is limited.
// The agent knows no API; small files beside the binaries say it, one an API
// (share/flexai/inject/*.json):
//   {"api": "opencl", "prepend": {"NAME": "${libdir}/x.so"}, "set": {"NAME": "value"}}
// `prepend` puts the value in front of what is there, separated by ':'.
// Threads: any, once loaded.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace flexai::agent {

struct Variable {
  std::string name;
  std::string value;
  std::string how;  // "set" or "prepend"
};

class Injection {
 public:
  // Reads every file of `folder`; a damaged one is logged and its API stays unknown.
  static Injection load(const std::string& folder, const std::string& libdir);

  // For programs that will use cards of `apis`. kUnsupported when one has no file, kUnavailable
  // when a library it names is not there: a program is never started without its limits.
  base::Result<std::vector<Variable>> variables(const std::set<std::string>& apis) const;

  // Absolute paths among the values: the libraries that limit.
  std::vector<std::string> files() const;

 private:
  std::map<std::string, std::vector<Variable>> by_api_;
};

}  // namespace flexai::agent
