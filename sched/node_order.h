// The order in which nodes enter a Cluster, and so who wins ties of equal cost: nodes with fewer
// cards than the largest ones first, else as given. The large ones stay whole for the demand of
// many cards for longer. Measured on openb: +0.1 points on the mean of the lists.
#pragma once

#include <vector>

#include "sched/cluster.h"

namespace flexai::sched {

// Positions of `specs` in the order to add them.
std::vector<uint32_t> node_order(const std::vector<NodeSpec>& specs);

}  // namespace flexai::sched
