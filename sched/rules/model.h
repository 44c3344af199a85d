// Hard: the node's cards are of a model that will do.
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool model(const Shape& shape, const NodeState& node) {
  return shape.cards == 0 || (shape.models >> node.model & 1) != 0;
}

}  // namespace flexai::sched::rules
