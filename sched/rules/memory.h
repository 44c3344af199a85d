// Hard: memory of the node, and of each card taken.
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool memory(const Shape& shape, const NodeState& node) {
  return node.memory_free >= shape.memory_mib;
}
// Enough cards with room for both the share and the memory; asked only when memory is demanded.
inline bool card_memory(const Shape& shape, const NodeState& node, const int32_t* free) {
  int found = 0;
  for (int i = 0; i < node.cards; ++i)
    found += node.free[i] >= shape.milli && free[i] >= shape.card_memory_mib;
  return found >= shape.cards;
}

}  // namespace flexai::sched::rules
