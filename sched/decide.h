// decide: Snapshot in, Plan out. Pure: the same snapshot gives the same plan on every machine.
#pragma once

#include "base/result.h"
#include "sched/plan.h"
#include "sched/snapshot.h"

namespace flexai::sched {

// What is said about work that waits: everything, or only who waits and was passed over, which a
// simulation of many plans needs no more than.
enum class Explain { kAll, kNothing };

// kInvalid when the snapshot is not sound (validate()).
base::Result<Plan> decide(const Snapshot& snapshot, Explain explain = Explain::kAll);
// What the snapshot is after the plan has been carried out at once.
Snapshot after(const Snapshot& snapshot, const Plan& plan);

}  // namespace flexai::sched
