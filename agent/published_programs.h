// Programs that outlive an agent in a container: copies of them and of the libraries that they
// need, in a folder of the host. Each set has a folder of its own, named by what is in it: one that
// is in use never changes, and another agent's set lies beside it. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace flexai::agent {

struct ProgramSet {
  std::string programs;   // folder
  std::string libraries;  // folder; empty: there are none of their own
};

// `programs`: paths; `libraries`: a folder, or none of that name. Made below `to`, or already
// there.
base::Result<ProgramSet> publish_programs(const std::vector<std::string>& programs,
                                          const std::string& libraries, const std::string& to);

// Deletes the sets below `to` that no process of this host runs from, but `kept`.
void drop_unused_programs(const std::string& to, const ProgramSet& kept);

}  // namespace flexai::agent
