#include "sched/decide.h"

#include <set>

#include "sched/passes/home.h"
#include "sched/passes/place.h"
#include "sched/passes/resize.h"
#include "sched/session.h"

namespace flexai::sched {

using model::Workload;
using model::WorkState;

void carry_out(const Action& a, int64_t now_ms, Workload* w) {
  switch (a.act) {
    case Act::kPlace:
      w->state = WorkState::kRunning;
      w->places = a.places;
      w->started_ms = now_ms;
      w->moves = 0;
      w->granted_milli = -1;  // what it was shrunk to before it was stopped is forgotten
      return;
    case Act::kMigrate:
    case Act::kHome:
      w->places[a.member] = a.places.front();
      w->moved_ms = now_ms;
      ++w->moves;
      return;
    case Act::kSuspend:
      w->state = WorkState::kSuspended;
      ++w->stops;
      w->places.clear();
      return;
    case Act::kRequeue:
    case Act::kKill:
      w->state = WorkState::kPending;
      ++w->stops;
      w->places.clear();
      return;
    case Act::kShrink:
    case Act::kGrow:
      w->granted_milli = a.milli;
      return;
    case Act::kShare:
      w->granted_milli = 0;
      return;
  }
}

void run_passes(Session* session, Explain explain) {
  if (session->policy.on(Pass::kResize)) passes::resize(session);
  if (session->policy.on(Pass::kPlace)) passes::place(session, explain == Explain::kAll);
  if (session->policy.on(Pass::kResize)) passes::give_back(session);
  if (session->policy.on(Pass::kHome)) passes::pull_home(session);
}

base::Result<Plan> decide(const Snapshot& snapshot, Explain explain) {
  FLEXAI_TRY(validate(snapshot));
  Session session(snapshot);
  run_passes(&session, explain);
  return std::move(session.plan);
}

Snapshot after(const Snapshot& snapshot, const Plan& plan) {
  Snapshot next = snapshot;
  std::set<uint32_t> killed;
  for (const Action& a : plan.actions) {
    carry_out(a, next.now_ms, &next.workloads[a.workload]);
    if (a.act == Act::kKill) killed.insert(a.workload);
  }
  for (const Verdict& v : plan.pending) next.workloads[v.workload].passed_over += v.passed;
  for (auto at = killed.rbegin(); at != killed.rend(); ++at)
    next.workloads.erase(next.workloads.begin() + *at);
  return next;
}

}  // namespace flexai::sched
