// Raises the calling thread above ordinary ones, as far as the system lets it: real-time, else a
// short time slice (wakes up soon even when the CPUs are busy; Linux 6.12), else nothing.
#pragma once

namespace flexai::agent {

// Returns what it got: "fifo", "slice" or "normal".
const char* raise_thread_rank();

}  // namespace flexai::agent
