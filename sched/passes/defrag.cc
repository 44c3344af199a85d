#include "sched/passes/defrag.h"

#include <algorithm>
#include <bit>

#include "sched/rules/affinity.h"
#include "sched/rules/model.h"
#include "sched/rules/topology.h"

namespace flexai::sched::passes {
namespace {

struct Candidate {
  NodeId node = kNone;
  uint32_t cards = 0;  // wanted here
  std::vector<ResidentId> movers;
  int32_t moved_milli = 0, left_milli = 0;
};

class Search {
 public:
  Search(Cluster* cluster, Placer* placer, const ShapeTable& shapes, Residents* residents,
         ShapeId wanted, const DefragBudget& budget)
      : cluster_(*cluster),
        placer_(*placer),
        shapes_(shapes),
        residents_(*residents),
        wanted_(shapes[wanted]),
        budget_(budget) {}

  Room run() {
    if (wanted_.cards == 0) return {};
    for (NodeId n = 0; n < cluster_.size(); ++n) look_at(n);
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      if (a.movers.size() != b.movers.size()) return a.movers.size() < b.movers.size();
      if (a.moved_milli != b.moved_milli) return a.moved_milli < b.moved_milli;
      if (a.left_milli != b.left_milli) return a.left_milli < b.left_milli;
      return a.node != b.node ? a.node < b.node : a.cards < b.cards;
    });
    int tries = 0;
    for (const Candidate& c : candidates_) {
      if (tries++ >= budget_.tries) break;
      Room room = attempt(c);
      if (room.found) return room;
    }
    return {};
  }

 private:
  // Whether a hole for the resident's shape exists at all; asked once a shape.
  bool has_hole(ShapeId shape) {
    if (shape >= hole_.size()) hole_.resize(shapes_.size(), -1);
    if (hole_[shape] < 0) hole_[shape] = placer_.place(shape).found();
    return hole_[shape] == 1;
  }

  bool may_move(ResidentId id, NodeId node) {
    const Resident& r = residents_[id];
    return r.movable && r.at.card_node == node && shapes_[r.shape].cards > 0 && has_hole(r.shape);
  }

  bool has_processor(NodeId n, const std::vector<ResidentId>& movers) const {
    int64_t cpu = cluster_[n].cpu_free, memory = cluster_[n].memory_free;
    for (ResidentId id : movers) {
      if (residents_[id].at.cpu_node != n) continue;
      cpu += shapes_[residents_[id].shape].cpu_milli;
      memory += shapes_[residents_[id].shape].memory_mib;
    }
    return cpu >= wanted_.cpu_milli && memory >= wanted_.memory_mib;
  }

  // Of its fit: all cards or the node is passed by.
  bool allows(NodeId n) const {
    const uint32_t all = model::Fit::kProcessor | ((1u << cluster_[n].cards) - 1);
    return wanted_.fit == 0 || (cluster_.allowed(wanted_.fit, n) & all) == all;
  }

  void look_at(NodeId n) {
    const NodeState& node = cluster_[n];
    if (!node.open || !allows(n) || !rules::model(wanted_, node) ||
        !rules::affinity(wanted_, node) || !rules::topology(wanted_, node) ||
        node.cards < wanted_.cards)
      return;
    if (wanted_.cards > 1) return look_for_several(n);
    for (int card = 0; card < node.cards; ++card) look_at_card(n, card);
  }

  void look_at_card(NodeId n, int card) {
    movers_.clear();
    for (ResidentId id : residents_.on(n))
      if ((residents_[id].at.cards >> card & 1) != 0 && may_move(id, n)) movers_.push_back(id);
    const int free = cluster_[n].free[card];
    for (size_t i = 0; i < movers_.size(); ++i) {
      offer(n, card, free, {movers_[i]});
      for (size_t j = 0; budget_.moves > 1 && j < i; ++j)
        offer(n, card, free, {movers_[j], movers_[i]});
    }
  }

  void offer(NodeId n, int card, int free, std::vector<ResidentId> movers) {
    int32_t moved = 0;
    for (ResidentId id : movers) moved += shapes_[residents_[id].shape].total_milli();
    if (movers.size() > 1 && free + shapes_[residents_[movers[0]].shape].milli >= wanted_.milli)
      return;
    if (free + moved < wanted_.milli || !has_processor(n, movers)) return;
    candidates_.push_back({n, 1u << card, std::move(movers), moved, free + moved - wanted_.milli});
  }

  // The cards that need the fewest movers, if all residents of them may move.
  void look_for_several(NodeId n) {
    const NodeState& node = cluster_[n];
    std::vector<std::pair<int, int>> cards;  // residents, card
    for (int card = 0; card < node.cards; ++card) {
      int there = 0;
      bool all = true;
      for (ResidentId id : residents_.on(n)) {
        if (residents_[id].at.card_node != n || (residents_[id].at.cards >> card & 1) == 0)
          continue;
        ++there;
        all = all && may_move(id, n);
      }
      if (all) cards.emplace_back(there, card);
    }
    if (cards.size() < wanted_.cards) return;
    std::sort(cards.begin(), cards.end());
    uint32_t mask = 0;
    for (size_t i = 0; i < wanted_.cards; ++i) mask |= 1u << cards[i].second;
    Candidate c{n, mask, {}, 0, 0};
    for (ResidentId id : residents_.on(n))
      if (residents_[id].at.card_node == n && (residents_[id].at.cards & mask) != 0)
        c.movers.push_back(id);
    for (ResidentId id : c.movers) c.moved_milli += shapes_[residents_[id].shape].total_milli();
    if (static_cast<int>(c.movers.size()) > budget_.moves || !has_processor(n, c.movers)) return;
    candidates_.push_back(std::move(c));
  }

  // Movers leave, the demand is held in its place, movers look for another; else all is undone.
  Room attempt(const Candidate& c) {
    Room room{false, {}, {c.node, c.node, c.cards}};
    for (ResidentId id : c.movers) cluster_.give(shapes_[residents_[id].shape], residents_[id].at);
    size_t placed = 0;
    const bool fits = cluster_.fits(wanted_, room.at);
    if (fits) {
      cluster_.take(wanted_, room.at);
      for (ResidentId id : c.movers) {
        const Choice to = placer_.place(residents_[id].shape);
        if (!to.found() || !cluster_.fits(shapes_[residents_[id].shape], to.at)) break;
        cluster_.take(shapes_[residents_[id].shape], to.at);
        room.moves.push_back({id, residents_[id].at, to.at});
        ++placed;
      }
      cluster_.give(wanted_, room.at);
    }
    if (fits && placed == c.movers.size()) {
      for (const Move& move : room.moves) residents_.move(move.resident, move.to);
      room.found = true;
      return room;
    }
    for (const Move& move : room.moves)
      cluster_.give(shapes_[residents_[move.resident].shape], move.to);
    for (ResidentId id : c.movers) cluster_.take(shapes_[residents_[id].shape], residents_[id].at);
    return {};
  }

  Cluster& cluster_;
  Placer& placer_;
  const ShapeTable& shapes_;
  Residents& residents_;
  Shape wanted_;
  DefragBudget budget_;
  std::vector<Candidate> candidates_;
  std::vector<ResidentId> movers_;
  std::vector<int8_t> hole_;
};

}  // namespace

Room make_room(Cluster* cluster, Placer* placer, const ShapeTable& shapes, Residents* residents,
               ShapeId wanted, const DefragBudget& budget) {
  return Search(cluster, placer, shapes, residents, wanted, budget).run();
}

}  // namespace flexai::sched::passes
