// Hard: the node carries every label asked for, and takes new work.
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool affinity(const Shape& shape, const NodeState& node) {
  return (shape.labels & ~node.labels) == 0;
}

}  // namespace flexai::sched::rules
