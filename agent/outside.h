// Outside: programs that an agent in a container starts so that they outlive it. The keeper and the
// workers must: a container's end is the end of all in its control group, and its files go with it.
// So they are run from copies on the host, in the host's namespaces and in a control group of the
// host's own, by flexai-outside, which becomes them. The agent must see the host's processes
// (hostPID) and be privileged. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace flexai::agent {

struct Outside {
  std::string launcher;   // flexai-outside; empty: programs are started where the agent is
  std::string libraries;  // folder for them, on the host; empty: none
  std::string log;        // file for what they say on standard error, on the host
  std::string group;      // of the host, below which they get theirs

  bool wanted() const { return !launcher.empty(); }
  // What to put before a program and its arguments. `member`: name of its group below `group`.
  // `tenant`: it is one that the system can do without when memory is short.
  std::vector<std::string> words(const std::string& member, bool tenant) const;
  std::string group_of(const std::string& member) const { return group + "/" + member; }
};

// Whether it can be, before the first is started: the host's processes are seen, its control groups
// can be reached, `folder` is the same one there as here. Errors say what the pod lacks.
base::Status check_outside(const std::string& folder, const std::string& group);

// What flexai-outside does before it becomes the program.
struct Way {
  std::string libraries, group, log;
  bool tenant = false;
};
base::Status go_outside(const Way& way);

}  // namespace flexai::agent
