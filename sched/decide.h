// decide: Snapshot in, Plan out. Pure: the same snapshot gives the same plan on every machine.
#pragma once

#include "base/result.h"
#include "sched/plan.h"
#include "sched/snapshot.h"

namespace flexai::sched {

struct Session;

// What is said about work that waits: everything, or only who waits and was passed over, which a
// simulation of many plans needs no more than.
enum class Explain { kAll, kNothing };

// kInvalid when the snapshot is not sound (validate()).
base::Result<Plan> decide(const Snapshot& snapshot, Explain explain = Explain::kAll);
// What the snapshot is after the plan has been carried out at once.
Snapshot after(const Snapshot& snapshot, const Plan& plan);

// The parts of the two: all passes, into session->plan; what an action does to its workload (work
// that is ended is taken out by the caller).
void run_passes(Session* session, Explain explain);
void carry_out(const Action& action, int64_t now_ms, model::Workload* work);

}  // namespace flexai::sched
