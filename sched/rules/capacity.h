// Hard: the node's processors and cards have room.
#pragma once

#include "sched/cluster.h"

namespace flexai::sched::rules {

inline bool processors(const Shape& shape, const NodeState& node) {
  return node.cpu_free >= shape.cpu_milli;
}
// A demand of several cards takes whole ones.
inline bool cards(const Shape& shape, const NodeState& node) {
  if (shape.cards <= 1) return node.most >= shape.milli;
  return node.whole >= shape.cards;
}

}  // namespace flexai::sched::rules
