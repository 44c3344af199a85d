#include "sched/passes/preempt.h"

#include "sched/passes/victims.h"

namespace flexai::sched::passes {

bool preempt(Session* s, uint32_t job) {
  const QueueId queue = s->jobs[job].queue;
  const int32_t priority = s->jobs[job].work->priority;
  if (s->lowest_priority(queue) >= priority) return false;
  return make_way(
      s, job,
      [&](uint32_t victim) {
        return s->jobs[victim].queue == queue && s->jobs[victim].work->priority < priority;
      },
      "preempt");
}

}  // namespace flexai::sched::passes
