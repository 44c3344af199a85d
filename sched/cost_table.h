// CostTable: the cost of one shape on every node, and the cheapest node. Filled when first asked,
// then only nodes that changed since are asked again (the Cluster's log says which). Costs are
// quantised by the caller; of equal costs the lowest node wins, always, so that equal work is
// packed first fit inside a cost class. Not thread-safe; bound to one Cluster.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "sched/cluster.h"

namespace flexai::sched {

using Cost = int16_t;
inline constexpr Cost kInfeasible = std::numeric_limits<Cost>::max();

class CostTable {
 public:
  // Cost(NodeId) is asked for each node that changed; `epoch` differs whenever all must be.
  template <typename CostOf>
  void refresh(const Cluster& cluster, uint64_t epoch, CostOf&& cost_of) {
    const size_t nodes = cluster.size();
    const bool fill = epoch != epoch_ || costs_.size() != padded(nodes) ||
                      seen_ < cluster.log_start() || cluster.changes() - seen_ > 2 * nodes;
    if (fill) {
      costs_.assign(padded(nodes), kInfeasible);
      for (NodeId n = 0; n < nodes; ++n) costs_[n] = cost_of(n);
      blocks_.resize(costs_.size() / kBlock);
      for (size_t b = 0; b < blocks_.size(); ++b) reduce(b);
      epoch_ = epoch;
    } else {
      for (uint64_t i = seen_; i < cluster.changes(); ++i)
        if (cluster.is_last(i)) set(cluster.changed(i), cost_of(cluster.changed(i)));
    }
    seen_ = cluster.changes();
  }

  // The lowest node of the least cost, kNone when nothing is feasible.
  NodeId best() const {
    size_t at = 0;
    Cost least = kInfeasible;
    for (size_t b = 0; b < blocks_.size(); ++b)
      if (blocks_[b] < least) least = blocks_[b], at = b;
    if (least == kInfeasible) return kNone;
    const Cost* block = &costs_[at * kBlock];
    return static_cast<NodeId>(
        at * kBlock + static_cast<size_t>(std::find(block, block + kBlock, least) - block));
  }
  Cost cost(NodeId node) const { return costs_[node]; }
  const std::vector<Cost>& costs() const { return costs_; }

 private:
  static constexpr size_t kBlock = 64;
  static size_t padded(size_t nodes) { return (nodes + kBlock - 1) / kBlock * kBlock; }

  void reduce(size_t block) {
    Cost least = kInfeasible;
    for (size_t i = block * kBlock; i < (block + 1) * kBlock; ++i)
      least = std::min(least, costs_[i]);
    blocks_[block] = least;
  }
  void set(NodeId node, Cost cost) {
    const Cost old = costs_[node];
    if (old == cost) return;
    costs_[node] = cost;
    const size_t block = node / kBlock;
    if (cost < blocks_[block])
      blocks_[block] = cost;
    else if (old == blocks_[block])
      reduce(block);
  }

  std::vector<Cost> costs_;   // one a node, padded to whole blocks
  std::vector<Cost> blocks_;  // least of each block
  uint64_t seen_ = 0;         // changes of the log already taken in
  uint64_t epoch_ = 0;        // 0: never filled
};

}  // namespace flexai::sched
