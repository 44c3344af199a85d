// Injection: what `flexai run` puts into a program's environment so that its driver API is limited.
// The agent knows no API; small files beside the binaries say it, one an API
// (share/flexai/inject/*.json):
//   {"api": "opencl", "prepend": {"NAME": "${libdir}/x.so"}, "set": {"NAME": "value"},
//    "served": {"NAME": "value"}, "worker": "flexai-worker"}
// `prepend` puts the value in front of what is there, separated by ':'. `served` is what a program
// gets instead when a worker talks to the driver for it, and `worker` the program that does.
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
  // The same for programs whose cards are served.
  base::Result<std::vector<Variable>> served(const std::set<std::string>& apis) const;
  // The worker of an API: a program's name, or a path. kUnsupported when it has none.
  base::Result<std::string> worker(const std::string& api) const;

  // Absolute paths among the values: the libraries that limit.
  std::vector<std::string> files() const;

 private:
  friend struct InjectionFile;
  struct Entry {
    std::vector<Variable> direct, served;
    std::string worker;
  };
  base::Result<std::vector<Variable>> collect(const std::set<std::string>& apis,
                                              std::vector<Variable> Entry::*which) const;
  std::map<std::string, Entry> by_api_;
};

}  // namespace flexai::agent
