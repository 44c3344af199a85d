#include "sched/passes/reclaim.h"

#include "sched/passes/victims.h"

namespace flexai::sched::passes {
namespace {

using Claim = Queues::Claim;
using Keeps = Queues::Keeps;

bool take_back(Session* s, uint32_t job, Claim claim, Keeps keeps, Fresh fresh) {
  const QueueId queue = s->jobs[job].queue;
  const Usage more = s->usage_of(job);
  auto may_stop = [=](uint32_t victim) {
    return s->queues->may_reclaim(queue, more, s->jobs[victim].queue, s->usage_of(victim), claim,
                                  keeps);
  };
  return make_way(s, job, may_stop, "reclaim", fresh);
}

}  // namespace

bool reclaim(Session* s, uint32_t job) {
  const QueueId queue = s->jobs[job].queue;
  const Usage more = s->usage_of(job);
  const int64_t waited = s->snapshot.now_ms - s->jobs[job].work->submitted_ms;
  const Claim claim = waited < s->policy.patience_ms ? Claim::kGuarantee : Claim::kDeserved;
  if (!s->queues->within(queue, more, claim)) return false;
  if (take_back(s, job, claim, Keeps::kDeserved, Fresh::kSpared)) return true;
  if (!s->queues->within(queue, more, Claim::kGuarantee)) return false;
  return take_back(s, job, Claim::kGuarantee, Keeps::kDeserved, Fresh::kTaken) ||
         take_back(s, job, Claim::kGuarantee, Keeps::kGuarantee, Fresh::kTaken);
}

}  // namespace flexai::sched::passes
