// Runs another program to its end and collects what it prints. Used for probes: the child may
// crash, hang or print without end, and none of that reaches the agent. Threads: any; blocks the
// caller. Units: Nanos.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace flexai::agent {

struct ChildLimits {
  base::Nanos time = 20 * base::kSecond;
  size_t output_bytes = 1 << 20;  // of standard output; more is a failure
  int cancel_fd = -1;             // borrowed; readable = the child is killed, kUnavailable
};

struct ChildOutput {
  std::string out;
  std::string err;  // the last 4 KiB of standard error
};

// argv[0] is the path of the program; the environment is ours. Standard input is /dev/null. The
// child leads a process group of its own, which is killed when the call returns. Fails with a
// message that says how the child ended: "exit status 3: <last line of standard error>", "killed by
// signal 11", "no answer within 20 s" (kTimeout), "printed more than ... bytes" (kExhausted).
base::Result<ChildOutput> run_child(const std::vector<std::string>& argv,
                                    const ChildLimits& limits = {});

}  // namespace flexai::agent
