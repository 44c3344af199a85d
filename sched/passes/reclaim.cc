#include "sched/passes/reclaim.h"

#include "sched/passes/victims.h"

namespace flexai::sched::passes {
namespace {

// What the members hold, or would hold on the strongest cards.
Usage usage_of(const Session& s, uint32_t job) {
  Usage sum;
  const Job& j = s.jobs[job];
  for (ResidentId id : j.members) sum.ncu += s.usage_of(j.shape, s.residents[id].at).ncu;
  if (!j.members.empty()) return sum;
  int32_t strongest = 0;
  for (size_t m = 0; m < s.models.size(); ++m)
    if ((s.shapes[j.shape].models >> m & 1) != 0)
      strongest = std::max(strongest, s.ncu_of_model[m]);
  sum.ncu = int64_t{s.shapes[j.shape].total_milli()} * j.work->members * strongest / kWholeCard;
  return sum;
}

}  // namespace

bool reclaim(Session* s, uint32_t job) {
  const QueueId queue = s->jobs[job].queue;
  const Usage more = usage_of(*s, job);
  const int64_t waited = s->snapshot.now_ms - s->jobs[job].work->submitted_ms;
  const bool patient = waited < s->policy.patience_ms;
  const auto claim = patient ? Queues::Claim::kGuarantee : Queues::Claim::kDeserved;
  if (!s->queues->within(queue, more, claim)) return false;
  return make_way(
      s, job,
      [&](uint32_t victim) {
        return s->queues->may_reclaim(queue, more, s->jobs[victim].queue, usage_of(*s, victim),
                                      claim);
      },
      "reclaim");
}

}  // namespace flexai::sched::passes
