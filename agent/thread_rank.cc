#include "agent/thread_rank.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace flexai::agent {

const char* raise_thread_rank() {
  sched_param priority{};
  priority.sched_priority = 1;
  // Reset on fork: what this thread starts must not inherit it.
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0) return "fifo";

  struct {  // sched_setattr(2), version 0; glibc has no declaration of it
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
  } attributes{};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_OTHER;
  attributes.runtime = 100 * 1000;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0) return "slice";
  return "normal";
}

}  // namespace flexai::agent
