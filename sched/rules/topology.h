// Hard: the node is in a zone that will do. A gang that must stay together gets the bit of the zone
// that the pass tries (sched/passes/gang.h).
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool topology(const Shape& shape, const NodeState& node) {
  return (shape.zones >> node.zone & 1) != 0;
}

}  // namespace flexai::sched::rules
