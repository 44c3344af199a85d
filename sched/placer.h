// Placer: where one member goes. Local and remote places are compared by the same cost.
//
// Cost, in milli-cards of future room lost: the growth of fragments over the mix of demand learnt
// from arrivals (sched/fragment.h), plus scarcity of the card's model, plus, for a remote place,
// the shape's penalty. It is rounded up to multiples of Policy::quantum_milli; equal costs go to
// the lowest node, so equal work packs first fit. A remote place is the cheapest node for the cards
// and the cheapest other node for the processor, each found as a shape of its own.
//
// One Placer a Cluster; not thread-safe. A decision costs a step for each node that changed since
// the shape was last asked for, one of each 64 nodes, and no memory once the shape is known.
#pragma once

#include <vector>

#include "sched/cost_table.h"
#include "sched/fragment.h"
#include "sched/mix.h"
#include "sched/policy.h"

namespace flexai::sched {

struct Choice {
  Placement at;         // cpu_node kNone: nowhere
  int cost_quanta = 0;  // in quanta of the policy
  bool found() const { return at.cpu_node != kNone; }
};

class Placer {
 public:
  // All three outlive the Placer. `models`: how many there are; `scarcity`: milli-cards a whole
  // card of each model counts dearer, may be shorter than models.
  Placer(const Cluster* cluster, ShapeTable* shapes, const Policy& policy, int models,
         std::vector<int> scarcity = {});

  // A demand arrived (placed or not): the mix learns it.
  void learn(ShapeId id);
  // Many at once, `counts` by shape: what is known when a snapshot is opened.
  void learn_all(std::vector<uint32_t> counts);
  // The typical demand itself, as typical() gave it.
  void learn_target(std::vector<TypicalDemand> target);
  // What the fragment rule counts with, most frequent first; another one after each renewal.
  const std::vector<TypicalDemand>& typical() const { return typical_; }
  uint64_t renewals() const { return epoch_; }
  Choice place(ShapeId id);
  Choice place_local(ShapeId id);
  Choice place_remote(ShapeId id);
  // By asking every node, without tables; what place() must equal. For tests and checks.
  Choice brute_force(ShapeId id);
  void refresh() { refresh_fragments(); }

  // In quanta, kInfeasible when a hard rule forbids the node. Tables must be up to date with the
  // cluster: place() or refresh() came after its last change.
  Cost cost_on(const Shape& shape, NodeId node) const;
  // The cards of this node that do least harm. REQUIRES: cost_on() is feasible.
  uint32_t cards_on(const Shape& shape, NodeId node) const;
  const Mix& mix() const { return mix_; }
  const Fragment& fragment() const { return fragment_; }
  const Policy& policy() const { return policy_; }
  // Fits have changed: what could never be may be now.
  void fits_changed() { ever_.clear(); }
  void set_remote_used(int64_t milli) { remote_used_ = milli; }

 private:
  struct Parts {  // of a shape that may be remote, as shapes of their own
    ShapeId cards = kNone;
    ShapeId processor = kNone;
  };
  // What the hard rules that are on ask of a node; of those that are off, nothing.
  Shape asked_by(const Shape& shape) const;
  ShapeId anywhere(ShapeId id);
  Cost cost_on(const Shape& asked, const Shape& shape, NodeId node) const;
  CostTable& refreshed(ShapeId id);
  bool ever_fits(const Shape& asked) const;  // on some node with nothing else on it
  // The node as the shape sees it, in *masked where that differs from what it is.
  const NodeState& seen(const Shape& shape, NodeId node, NodeState* masked) const {
    if (shape.fit == 0) return (*cluster_)[node];
    return *masked = cluster_->seen_by(shape, node);
  }
  void refresh_fragments();
  bool remote_allowed(const Shape& shape) const;
  // Of a card that is in another zone than the processor, or in the same.
  int penalty_of(const Shape& shape, NodeId home, NodeId at) const;
  // A shape that asks for the same in one zone only.
  ShapeId in_zone(ShapeId id, uint16_t zone);
  // The cheapest node for each of these two; nowhere when there is none, or it is the other one.
  template <typename Cheapest>
  Choice remote_pair(const Shape& shape, Parts parts, Cheapest cheapest);
  bool good_enough(const Choice& local) const;
  Choice better(const Choice& local, const Choice& remote) const;
  Parts parts_of(ShapeId id);
  void renew();
  void use(std::vector<TypicalDemand> target);

  const Cluster* cluster_;
  ShapeTable* shapes_;
  Policy policy_;
  int models_;
  std::vector<int> scarcity_;
  Mix mix_;
  std::vector<TypicalDemand> typical_;
  Fragment fragment_;
  uint64_t epoch_ = 1;                      // of the fragment table
  std::vector<Fragment::Known> fragments_;  // of each node, true up to change fragments_seen_
  uint64_t fragments_seen_ = 0, fragments_epoch_ = 0;
  int64_t remote_used_ = 0;
  std::vector<CostTable> tables_;
  struct Ever {        // whether any of the first `nodes` could hold it when empty
    size_t nodes = 0;  // 0: not asked yet
    bool fits = true;
  };
  std::vector<Ever> ever_;  // by shape
  Wake wake_;
  std::vector<NodeId> scratch_;
  std::vector<Parts> parts_;
};

}  // namespace flexai::sched
