#include "sched/cluster.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace flexai::sched {

// A table that has not looked for this many changes a node fills itself anew instead.
constexpr size_t kLogPerNode = 8;
constexpr uint64_t kNever = ~uint64_t{0};

NodeState empty_node(const NodeSpec& spec) {
  NodeState node;
  node.cpu_free = spec.cpu_milli;
  node.memory_free = spec.memory_mib;
  node.network_free = spec.network_mbps;
  node.cards = spec.cards;
  node.whole = spec.cards;
  node.most = spec.cards > 0 ? int16_t{kWholeCard} : int16_t{0};
  node.idle = int32_t{spec.cards} * kWholeCard;
  for (int i = 0; i < spec.cards; ++i) node.free[i] = kWholeCard;
  node.model = spec.model;
  node.zone = spec.zone;
  node.labels = spec.labels;
  return node;
}

NodeId Cluster::add(const NodeSpec& spec) {
  assert(spec.cards <= kMaxCards && spec.model < kMaxModels && spec.zone < 64);
  const NodeState node = empty_node(spec);
  nodes_.push_back(node);
  specs_.push_back(spec);
  for (int i = 0; i < kMaxCards; ++i)
    card_memory_free_.push_back(i >= spec.cards             ? 0
                                : spec.each_card_mib[i] > 0 ? spec.each_card_mib[i]
                                                            : spec.card_memory_mib);
  card_milli_ += node.idle;
  idle_milli_ += node.idle;
  last_change_.push_back(kNever);
  keys_.push_back(0);
  note(static_cast<NodeId>(nodes_.size() - 1));
  return static_cast<NodeId>(nodes_.size() - 1);
}

void Cluster::note(NodeId id) {
  if (log_.size() > kLogPerNode * nodes_.size() + 1024) {
    const size_t half = log_.size() / 2;
    log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(half));
    log_start_ += half;
  }
  if (last_change_[id] != kNever && last_change_[id] >= log_start_)
    log_[last_change_[id] - log_start_] = kNone;
  last_change_[id] = changes();
  log_.push_back(id);
  const NodeState& n = nodes_[id];
  keys_[id] = room_key::pack(n.most, n.whole, n.cpu_free, n.memory_free, n.network_free, n.open);
}

void Cluster::move_cards(const Shape& shape, const Placement& at, int sign) {
  NodeState& node = nodes_[at.card_node];
  int32_t* memory = &card_memory_free_[at.card_node * kMaxCards];
  const int delta = sign * shape.milli;
  for (uint32_t rest = at.cards; rest != 0; rest &= rest - 1) {
    const int card = std::countr_zero(rest);
    node.free[card] = static_cast<int16_t>(node.free[card] + delta);
    memory[card] += sign * shape.card_memory_mib;
  }
  const int count = std::popcount(at.cards);
  node.idle += delta * count;
  idle_milli_ += int64_t{delta} * count;
  int16_t most = 0;
  int whole = 0;
  for (int i = 0; i < node.cards; ++i) {
    most = std::max(most, node.free[i]);
    whole += node.free[i] == kWholeCard;
  }
  node.most = most;
  node.whole = static_cast<uint8_t>(whole);
  if (!at.remote()) return;
  const int32_t network = sign * shape.network_mbps * count;
  node.network_free += network;
  nodes_[at.cpu_node].network_free += network;
}

void Cluster::take(const Shape& shape, const Placement& at) {
  nodes_[at.cpu_node].cpu_free -= shape.cpu_milli;
  nodes_[at.cpu_node].memory_free -= shape.memory_mib;
  if (shape.cards > 0) move_cards(shape, at, -1);
  note(at.cpu_node);
  if (at.remote()) note(at.card_node);
}

void Cluster::give(const Shape& shape, const Placement& at) {
  nodes_[at.cpu_node].cpu_free += shape.cpu_milli;
  nodes_[at.cpu_node].memory_free += shape.memory_mib;
  if (shape.cards > 0) move_cards(shape, at, 1);
  note(at.cpu_node);
  if (at.remote()) note(at.card_node);
}

bool Cluster::fits(const Shape& shape, const Placement& at) const {
  if (at.cpu_node >= size() || at.card_node >= size()) return false;
  if (std::popcount(at.cards) != shape.cards) return false;
  const NodeState& home = nodes_[at.cpu_node];
  if (home.cpu_free < shape.cpu_milli || home.memory_free < shape.memory_mib) return false;
  if (shape.cards == 0) return !at.remote();
  const NodeState& node = nodes_[at.card_node];
  if ((at.cards >> node.cards) != 0) return false;
  const int32_t* memory = card_memory_free(at.card_node);
  for (uint32_t rest = at.cards; rest != 0; rest &= rest - 1) {
    const int card = std::countr_zero(rest);
    if (node.free[card] < shape.milli || memory[card] < shape.card_memory_mib) return false;
  }
  if (!at.remote()) return true;
  const int64_t network = int64_t{shape.network_mbps} * shape.cards;
  return node.network_free >= network && home.network_free >= network;
}

void Cluster::set_fit(uint32_t fit, const std::vector<uint32_t>& nodes) {
  assert(fit > 0 && fit <= fits_.size() + 1 && nodes.size() == size());
  if (fit > fits_.size()) fits_.emplace_back(nodes.size());
  std::vector<uint32_t>& now = fits_[fit - 1];
  for (NodeId n = 0; n < nodes.size(); ++n) {
    if (now[n] == nodes[n]) continue;
    now[n] = nodes[n];
    note(n);
  }
}

NodeState Cluster::seen_by(const Shape& shape, NodeId id) const {
  NodeState node = nodes_[id];
  const uint32_t word = allowed(shape.fit, id);
  if (!shape.cards_only && (word & model::Fit::kProcessor) == 0) node.open = false;
  if (shape.cards == 0) return node;
  node.most = 0;
  node.whole = 0;
  for (int i = 0; i < node.cards; ++i) {
    if ((word >> i & 1) == 0) node.free[i] = 0;
    node.most = std::max(node.most, node.free[i]);
    node.whole = static_cast<uint8_t>(node.whole + (node.free[i] == kWholeCard));
  }
  return node;
}

void Cluster::set_open(NodeId id, bool open) {
  if (nodes_[id].open == open) return;
  nodes_[id].open = open;
  note(id);
}

}  // namespace flexai::sched
