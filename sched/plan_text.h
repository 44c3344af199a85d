// A plan as lines for people and tests: "place job@node[0]", "place job@n1<-n2[3]" with the cards
// of another node, "shrink low to 300 for job", "job waits: no_cards". Pure.
#pragma once

#include <string>
#include <vector>

#include "sched/plan.h"
#include "sched/snapshot.h"

namespace flexai::sched {

std::vector<std::string> lines_of(const Plan& plan, const Snapshot& of);

}  // namespace flexai::sched
