// Hard: head-room of a node's network for cards used across it, on both ends.
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool network(const Shape& shape, const NodeState& node) {
  return int64_t{node.network_free} >= int64_t{shape.network_mbps} * shape.cards;
}

}  // namespace flexai::sched::rules
