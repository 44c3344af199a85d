#include "sched/placer.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "sched/rules/affinity.h"
#include "sched/rules/capacity.h"
#include "sched/rules/memory.h"
#include "sched/rules/model.h"
#include "sched/rules/network.h"
#include "sched/rules/topology.h"

namespace flexai::sched {
namespace {

constexpr int kMostQuanta = 30000;

}  // namespace

Placer::Placer(const Cluster* cluster, ShapeTable* shapes, const Policy& policy, int models,
               std::vector<int> scarcity)
    : cluster_(cluster),
      shapes_(shapes),
      policy_(policy),
      models_(models),
      scarcity_(std::move(scarcity)) {
  scarcity_.resize(kMaxModels);
}

// What is typical does not depend on where somebody may be.
ShapeId Placer::anywhere(ShapeId id) {
  if ((*shapes_)[id].fit == 0) return id;
  Shape shape = (*shapes_)[id];
  shape.fit = 0;
  return shapes_->intern(shape);
}

void Placer::learn(ShapeId id) {
  mix_.add(anywhere(id));
  if (mix_.stale()) renew();
}

void Placer::learn_all(std::vector<uint32_t> counts) {
  for (ShapeId id = 0; id < counts.size(); ++id) {
    if (counts[id] == 0 || (*shapes_)[id].fit == 0) continue;
    const ShapeId same = anywhere(id);
    if (same >= counts.size()) counts.resize(same + 1);
    counts[same] += std::exchange(counts[id], 0);
  }
  mix_.restore(std::move(counts));
  renew();
}

void Placer::learn_target(std::vector<TypicalDemand> target) {
  std::vector<uint32_t> counts;
  for (const TypicalDemand& demand : target) {
    const ShapeId id = shapes_->intern(demand.shape);
    if (id >= counts.size()) counts.resize(id + 1);
    counts[id] += static_cast<uint32_t>(demand.weight);
  }
  mix_.restore(std::move(counts));
  mix_.target(*shapes_);
  use(std::move(target));
}

void Placer::renew() { use(mix_.target(*shapes_)); }

void Placer::use(std::vector<TypicalDemand> target) {
  if (target.empty()) return;
  typical_ = std::move(target);
  fragment_.build(typical_, models_, policy_.stranded_milli, Holes::kByWorth);
  ++epoch_;
}

Shape Placer::asked_by(const Shape& s) const {
  const Policy& p = policy_;
  Shape asked = s;
  if (!p.on(Rule::kCapacity)) {
    asked.cpu_milli = std::numeric_limits<int32_t>::min();
    asked.milli = 0;
    asked.cards = std::min<uint8_t>(s.cards, 1);
  }
  if (!p.on(Rule::kMemory)) {
    asked.memory_mib = std::numeric_limits<int32_t>::min();
    asked.card_memory_mib = 0;
  }
  if (!p.on(Rule::kNetwork)) asked.node_network_mbps = std::numeric_limits<int32_t>::min();
  if (!p.on(Rule::kModel)) asked.models = kAnyModel;
  if (!p.on(Rule::kAffinity)) asked.labels = 0, asked.fit = 0;
  if (!p.on(Rule::kTopology)) asked.zones = ~uint64_t{0};
  return asked;
}

Cost Placer::cost_on(const Shape& s, NodeId id) const { return cost_on(asked_by(s), s, id); }

Cost Placer::cost_on(const Shape& asked, const Shape& s, NodeId id) const {
  NodeState masked;
  const NodeState& n = seen(asked, id, &masked);
  // All together: which of them fails first cannot be foretold, and a wrong guess costs more.
  const int room = int{n.open} & int{rules::cards(asked, n)} & int{rules::processors(asked, n)} &
                   int{rules::memory(asked, n)} & int{rules::network(asked, n)} &
                   int{rules::model(asked, n)} & int{rules::affinity(asked, n)} &
                   int{rules::topology(asked, n)};
  if (room == 0) return kInfeasible;
  const int32_t* memory = cluster_->card_memory_free(id);
  const bool fragments = policy_.on(Rule::kFragment) && fragment_.built();
  // The fragment rule looks at every card anyway when one is to be chosen.
  const bool one_look = fragments && s.cards == 1 && policy_.on(Rule::kCapacity);
  if (asked.card_memory_mib > 0 && !one_look && !rules::card_memory(asked, n, memory))
    return kInfeasible;
  int32_t milli = 0;
  if (fragments) {
    const Fragment::Choice choice = fragment_.best(s, n, memory, fragments_[id]);
    if (one_look && choice.card < 0 && asked.card_memory_mib > 0) return kInfeasible;
    milli = static_cast<int32_t>((choice.change + Fragment::kOne - 1) >> 16);
  }
  if (policy_.on(Rule::kScarcity))
    milli += static_cast<int32_t>(int64_t{scarcity_[n.model]} * s.total_milli() / kWholeCard);
  const int32_t quantum = policy_.quantum_milli;
  // Upwards, of negative costs too.
  const int32_t most = kMostQuanta * quantum;
  milli = std::clamp(milli, -most, most);
  return static_cast<Cost>((milli + most + quantum - 1) / quantum - kMostQuanta);
}

uint32_t Placer::cards_on(const Shape& s, NodeId id) const {
  NodeState masked;
  const NodeState& n = policy_.on(Rule::kAffinity) ? seen(s, id, &masked) : (*cluster_)[id];
  const int32_t* memory = cluster_->card_memory_free(id);
  if (s.cards == 0) return 0;
  if (s.cards == 1 && policy_.on(Rule::kFragment) && fragment_.built()) {
    const int card = fragment_.best(s, n, memory).card;
    return card < 0 ? 0 : 1u << card;
  }
  // The least room that does; of a demand of several cards only whole ones have any.
  uint32_t chosen = 0;
  for (int left = s.cards; left > 0; --left) {
    int best = -1;
    for (int i = 0; i < n.cards; ++i) {
      if ((chosen >> i & 1) != 0 || n.free[i] < s.milli || memory[i] < s.card_memory_mib) continue;
      if (best < 0 || n.free[i] < n.free[best]) best = i;
    }
    if (best < 0) return chosen;
    chosen |= 1u << best;
  }
  return chosen;
}

void Placer::refresh_fragments() {
  if (!fragment_.built()) return;
  const Cluster& c = *cluster_;
  if (fragments_epoch_ != epoch_ || fragments_.size() != c.size() ||
      fragments_seen_ < c.log_start()) {
    fragments_.resize(c.size());
    for (NodeId n = 0; n < c.size(); ++n) fragments_[n] = fragment_.known(c[n]);
    fragments_epoch_ = epoch_;
  } else {
    for (uint64_t i = fragments_seen_; i < c.changes(); ++i)
      if (c.changed(i) != kNone) fragments_[c.changed(i)] = fragment_.known(c[c.changed(i)]);
  }
  fragments_seen_ = c.changes();
}

CostTable& Placer::refreshed(ShapeId id) {
  refresh_fragments();
  if (id >= tables_.size()) tables_.resize(shapes_->size());
  if (id >= ever_.size()) ever_.resize(shapes_->size());
  Ever& ever = ever_[id];
  if (!ever.fits && ever.nodes == cluster_->size()) return tables_[id];
  const Shape& shape = (*shapes_)[id];
  const Shape asked = asked_by(shape);
  tables_[id].refresh(*cluster_, epoch_, need_of(asked),
                      asked.cards == 0 ? kAnyModel : asked.models, &wake_, &scratch_,
                      [&](NodeId n) { return cost_on(asked, shape, n); });
  if (tables_[id].empty() && ever.nodes != cluster_->size())
    ever = {cluster_->size(), ever_fits(asked)};
  return tables_[id];
}

bool Placer::ever_fits(const Shape& asked) const {
  for (NodeId n = 0; n < cluster_->size(); ++n) {
    const NodeSpec& spec = cluster_->spec(n);
    const NodeState node = empty_node(spec);
    const uint32_t allowed = cluster_->allowed(asked.fit, n);
    if (!asked.cards_only && (allowed & model::Fit::kProcessor) == 0) continue;
    if (std::popcount(allowed & ((1u << spec.cards) - 1)) < asked.cards) continue;
    if (rules::cards(asked, node) && rules::processors(asked, node) && rules::memory(asked, node) &&
        rules::network(asked, node) && rules::model(asked, node) && rules::affinity(asked, node) &&
        rules::topology(asked, node) &&
        (asked.cards == 0 || spec.card_memory_mib >= asked.card_memory_mib))
      return true;
  }
  return false;
}

Placer::Parts Placer::parts_of(ShapeId id) {
  if (id >= parts_.size()) parts_.resize(id + 1);
  if (parts_[id].cards == kNone) {
    Shape cards = (*shapes_)[id], processor = cards;
    cards.cpu_milli = cards.memory_mib = 0;
    cards.cards_only = true;
    processor.cards = 0;
    processor.milli = 0;
    processor.card_memory_mib = 0;
    processor.models = kAnyModel;
    cards.node_network_mbps = processor.node_network_mbps = cards.network_mbps * cards.cards;
    parts_[id] = {shapes_->intern(cards), shapes_->intern(processor)};
  }
  return parts_[id];
}

Choice Placer::place_local(ShapeId id) {
  const CostTable& table = refreshed(id);
  const NodeId node = table.best();
  if (node == kNone) return {};
  return {{node, node, cards_on((*shapes_)[id], node)}, table.cost(node)};
}

bool Placer::remote_allowed(const Shape& shape) const {
  if (shape.cards == 0) return false;
  if (policy_.on(Rule::kLocality) && shape.reach == Reach::kLocal) return false;
  return remote_used_ + shape.total_milli() <= policy_.remote_most_milli;
}

int Placer::penalty_of(const Shape& shape, NodeId home, NodeId at) const {
  if (!policy_.on(Rule::kRemote)) return 0;
  const bool near = (*cluster_)[home].zone == (*cluster_)[at].zone;
  return (near ? shape.near_penalty : shape.remote_penalty) / policy_.quantum_milli;
}

ShapeId Placer::in_zone(ShapeId id, uint16_t zone) {
  Shape shape = (*shapes_)[id];
  shape.zones &= uint64_t{1} << zone;
  return shapes_->intern(shape);
}

// The cheapest card with the cheapest processor. Where the network is better inside a zone, besides
// that card with the cheapest processor of its zone, and that processor with the cheapest card of
// its zone; of equal ones the first.
template <typename Cheapest>
Choice Placer::remote_pair(const Shape& shape, Parts parts, Cheapest cheapest) {
  const NodeId at = cheapest(parts.cards, kNone);
  if (at == kNone) return {};
  const NodeId home = cheapest(parts.processor, at);
  Choice best;
  auto offer = [&](NodeId h, NodeId a) {
    if (h == kNone || a == kNone) return;
    const int cost = cost_on((*shapes_)[parts.cards], a) + cost_on((*shapes_)[parts.processor], h) +
                     penalty_of(shape, h, a);
    if (!best.found() || cost < best.cost_quanta)
      best = {{h, a, cards_on((*shapes_)[parts.cards], a)}, cost};
  };
  offer(home, at);
  if (!policy_.on(Rule::kRemote) || shape.near_penalty >= shape.remote_penalty) return best;
  offer(cheapest(in_zone(parts.processor, (*cluster_)[at].zone), at), at);
  if (home != kNone) offer(home, cheapest(in_zone(parts.cards, (*cluster_)[home].zone), home));
  return best;
}

Choice Placer::place_remote(ShapeId id) {
  const Shape shape = (*shapes_)[id];
  if (!remote_allowed(shape)) return {};
  return remote_pair(shape, parts_of(id), [this](ShapeId part, NodeId but) {
    const CostTable& table = refreshed(part);
    return but == kNone ? table.best() : table.best_but(but);
  });
}

Choice Placer::better(const Choice& local, const Choice& remote) const {
  if (!remote.found()) return local;
  const int margin = policy_.remote_margin_milli / policy_.quantum_milli;
  return !local.found() || remote.cost_quanta + margin < local.cost_quanta ? remote : local;
}

bool Placer::good_enough(const Choice& local) const {
  return local.found() && local.cost_quanta * policy_.quantum_milli <= policy_.local_enough_milli;
}

Choice Placer::place(ShapeId id) {
  const Choice local = place_local(id);
  return good_enough(local) ? local : better(local, place_remote(id));
}

Choice Placer::brute_force(ShapeId id) {
  refresh_fragments();
  const Shape shape = (*shapes_)[id];
  auto cheapest = [this](const Shape& s, NodeId but = kNone) {
    NodeId best = kNone;
    Cost least = kInfeasible;
    for (NodeId n = 0; n < cluster_->size(); ++n)
      if (n == but)
        continue;
      else if (const Cost cost = cost_on(s, n); cost < least)
        least = cost, best = n;
    return best;
  };
  Choice local, remote;
  if (const NodeId n = cheapest(shape); n != kNone)
    local = {{n, n, cards_on(shape, n)}, cost_on(shape, n)};
  if (good_enough(local) || !remote_allowed(shape)) return local;
  remote = remote_pair(shape, parts_of(id), [&](ShapeId part, NodeId but) {
    return cheapest(Shape((*shapes_)[part]), but);
  });
  return better(local, remote);
}

}  // namespace flexai::sched
