// Isolation: what a worker takes away from itself before a tenant's first byte reaches it. It keeps
// what a driver needs: files, device nodes, memory, threads, programs that compile for it.
// Threads: confine() on the first thread, before others are started.
#pragma once

#include <string>

#include "base/result.h"

namespace flexai::remote {

struct Isolation {
  std::string user;  // to become, when this is root; empty: stays who it is
  bool filter = true;
  std::string hidden, kept;  // see remote/apart.h; empty: none
};

// What a kernel had no means for.
struct Confined {
  bool filtered = false;
  bool apart = false;
};

// Own user and its groups; no new privileges; no core dump, not traceable by the same user; at most
// 4,096 descriptors; then the filter: no new network connection, no tracing, mounting, namespaces,
// kernel modules, keys, clocks. Refused calls fail with EPERM. Where the kernel has no filters, or
// cannot keep a folder apart, the rest holds.
base::Result<Confined> confine(const Isolation& isolation);

}  // namespace flexai::remote
