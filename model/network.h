// Network: what lies between a program and a remote card. Two tiers: nodes of one zone, and all
// others. A plain value; measured by whoever runs the cluster.
#pragma once

#include <cstdint>

#include "model/workload.h"

namespace flexai::model {

struct NetworkTier {
  int32_t mbps = 0;           // between two nodes; 0: not known, counts as enough
  int32_t round_trip_us = 0;  // of a small message

  bool operator==(const NetworkTier&) const = default;
};

struct Network {
  NetworkTier near;  // both nodes in one zone
  NetworkTier far;

  bool operator==(const Network&) const = default;
};

// Thousandths of its time that a program loses on this network to a remote card: the round trips it
// waits for, and the bytes it moves, as if nothing else went on meanwhile. At most 1000.
int32_t lost_milli(const Demand& demand, const NetworkTier& tier);
// Milli-cards that a remote card costs this demand more than one of its own node.
int32_t remote_cost_milli(const Demand& demand, const NetworkTier& tier);

}  // namespace flexai::model
