// decide: Snapshot in, Plan out. Pure: the same snapshot gives the same plan on every machine.
#pragma once

#include "base/result.h"
#include "sched/plan.h"
#include "sched/snapshot.h"

namespace flexai::sched {

// kInvalid when the snapshot is not sound (validate()).
base::Result<Plan> decide(const Snapshot& snapshot);
// What the snapshot is after the plan has been carried out at once.
Snapshot after(const Snapshot& snapshot, const Plan& plan);

}  // namespace flexai::sched
