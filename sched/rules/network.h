// Hard: head-room of a node's network for cards used across it, on both ends.
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool network(const Shape& shape, const NodeState& node) {
  return node.network_free >= shape.node_network_mbps;
}

}  // namespace flexai::sched::rules
