// CostTable: the cost of one shape on every node, and the cheapest node. Filled when first asked,
// then only nodes that changed since are asked again (the Cluster's log says which). Costs are
// quantised by the caller; of equal costs the lowest node wins, always, so that equal work is
// packed first fit inside a cost class. A table without any node sleeps: it looks again only when
// something changed that may help (sched/wake.h). Not thread-safe; bound to one Cluster.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "sched/wake.h"

namespace flexai::sched {

using Cost = int16_t;
inline constexpr Cost kInfeasible = std::numeric_limits<Cost>::max();

class CostTable {
 public:
  // `cost_of`(NodeId) is asked for each node that changed and has, or had, room for `need`; it must
  // be infeasible on other models; `epoch` differs whenever costs are others; who has room does not
  // depend on it. `scratch` is overwritten; shared by many tables, as is `wake`.
  template <typename CostOf>
  void refresh(const Cluster& cluster, uint64_t epoch, RoomKey need, uint64_t models, Wake* wake,
               std::vector<NodeId>* scratch, CostOf&& cost_of) {
    const size_t nodes = cluster.size();
    const bool anew = costs_.size() != padded(nodes) || seen_ < cluster.log_start();
    if (!anew && empty()) {
      ask(wake->collect(cluster, seen_, need, models, scratch), cluster, *scratch, cost_of);
      epoch_ = epoch;
      seen_ = cluster.changes();
      return;
    }
    const bool fill = anew || epoch != epoch_ || cluster.changes() - seen_ > 2 * nodes;
    if (fill) {
      costs_.assign(padded(nodes), kInfeasible);
      feasible_.assign(costs_.size() / kBlock, 0);
      blocks_.assign(costs_.size() / kBlock, kInfeasible);
      feasible_nodes_ = 0;
      ask(with_room(cluster, need, scratch), cluster, *scratch, cost_of);
      epoch_ = epoch;
    } else {
      ask(changed(cluster, need, scratch), cluster, *scratch, cost_of);
    }
    seen_ = cluster.changes();
  }

  bool empty() const { return feasible_nodes_ == 0; }
  // The lowest node of the least cost, kNone when nothing is feasible.
  NodeId best() const {
    if (empty()) return kNone;
    size_t at = 0;
    Cost least = kInfeasible;
    for (size_t b = 0; b < blocks_.size(); ++b)
      if (blocks_[b] < least) least = blocks_[b], at = b;
    if (least == kInfeasible) return kNone;
    const Cost* block = &costs_[at * kBlock];
    return static_cast<NodeId>(
        at * kBlock + static_cast<size_t>(std::find(block, block + kBlock, least) - block));
  }
  // The same without this one.
  NodeId best_but(NodeId excluded) const {
    const NodeId first = best();
    if (first != excluded) return first;
    NodeId found = kNone;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      if (found != kNone ? blocks_[b] >= costs_[found] : blocks_[b] == kInfeasible) continue;
      for (size_t n = b * kBlock; n < (b + 1) * kBlock; ++n)
        if (n != excluded && costs_[n] < (found == kNone ? kInfeasible : costs_[found]))
          found = static_cast<NodeId>(n);
    }
    return found;
  }
  Cost cost(NodeId node) const { return costs_[node]; }
  const std::vector<Cost>& costs() const { return costs_; }

 private:
  static constexpr size_t kBlock = 64;
  // Whole blocks, and a place for "no node".
  static size_t padded(size_t nodes) { return (nodes + kBlock) / kBlock * kBlock; }

  // Both write every node and count those that are wanted: no branch to guess wrong.
  static size_t with_room(const Cluster& cluster, RoomKey need, std::vector<NodeId>* out) {
    const size_t nodes = cluster.size();
    if (out->size() < nodes) out->resize(nodes);
    const RoomKey* keys = cluster.keys();
    size_t found = 0;
    for (NodeId n = 0; n < nodes; ++n) {
      (*out)[found] = n;
      found += may_have_room(keys[n], need);
    }
    return found;
  }
  size_t changed(const Cluster& cluster, RoomKey need, std::vector<NodeId>* out) const {
    const auto changes = static_cast<size_t>(cluster.changes() - seen_);
    if (out->size() < changes) out->resize(changes);
    const RoomKey* keys = cluster.keys();
    const auto nobody = static_cast<NodeId>(cluster.size());
    size_t found = 0;
    for (uint64_t i = seen_; i < cluster.changes(); ++i) {
      const NodeId n = std::min(cluster.changed(i), nobody);
      (*out)[found] = n;
      found += may_have_room(keys[n], need) | (feasible_[n / kBlock] >> n % kBlock & 1);
    }
    return found;
  }

  // The table of a rare shape and the nodes are far from the processor: they are fetched ahead.
  template <typename CostOf>
  void ask(size_t count, const Cluster& cluster, const std::vector<NodeId>& who, CostOf& cost_of) {
    constexpr size_t kAhead = 8;
    for (size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) {
        const NodeId soon = who[i + kAhead];
        __builtin_prefetch(&costs_[soon]);
        __builtin_prefetch(&cluster[soon]);
        __builtin_prefetch(cluster.card_memory_free(soon));
      }
      set(who[i], cost_of(who[i]));
    }
  }

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
    if (old == kInfeasible) ++feasible_nodes_;
    if (cost == kInfeasible) --feasible_nodes_;
    const size_t block = node / kBlock;
    const uint64_t bit = uint64_t{1} << node % kBlock;
    feasible_[block] = cost == kInfeasible ? feasible_[block] & ~bit : feasible_[block] | bit;
    if (cost < blocks_[block])
      blocks_[block] = cost;
    else if (old == blocks_[block])
      reduce(block);
  }

  std::vector<Cost> costs_;         // one a node, padded to whole blocks
  std::vector<Cost> blocks_;        // least of each block
  std::vector<uint64_t> feasible_;  // a bit a node: has room;
  size_t feasible_nodes_ = 0;
  uint64_t seen_ = 0;   // changes of the log already taken in
  uint64_t epoch_ = 0;  // 0: never filled
};

}  // namespace flexai::sched
