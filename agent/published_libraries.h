// Libraries and hooks for programs outside of the agent's own file system: an agent in a container
// puts them into a folder of the host, where `flexai run` and container runtimes find them. A file
// that is in use stays what it was for who uses it; a half-written one is never seen. Threads: any.
#pragma once

#include <string>

#include "base/result.h"

namespace flexai::agent {

// Every *.so of `from`, and the programs that container runtimes run (flexai-*), into `to`, which
// is made. Errors name the file.
base::Status publish_libraries(const std::string& from, const std::string& to);

}  // namespace flexai::agent
