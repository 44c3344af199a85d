// Cluster: nodes and cards as arrays of integers, with what is free on them. One writer; every
// change is noted in a log, so that who keeps something derived from a node (sched/cost_table.h)
// refreshes only what changed. Units: milli-cards, milli-cpus, MiB, Mbit/s.
#pragma once

#include <cstdint>
#include <vector>

#include "model/fit.h"
#include "sched/room_key.h"
#include "sched/shape.h"

namespace flexai::sched {

struct NodeSpec {
  int32_t cpu_milli = 0;
  int32_t memory_mib = 0;
  int32_t card_memory_mib = 0;         // of each card
  int32_t network_mbps = 0;            // for remote cards, in and out together
  uint8_t cards = 0;                   // at most kMaxCards
  uint8_t model = 0;                   // of all its cards
  int32_t each_card_mib[kMaxCards]{};  // of each, 0: card_memory_mib
  uint16_t zone = 0;                   // < 64
  uint64_t labels = 0;
};

// One cache line, so that asking a node is one access: a score reads nothing else, but the cards'
// memory of a node that has room.
struct alignas(64) NodeState {
  int32_t cpu_free = 0;
  int32_t memory_free = 0;
  int32_t network_free = 0;
  int32_t idle = 0;  // sum of free
  uint64_t labels = 0;
  int16_t most = 0;   // largest of free
  uint8_t whole = 0;  // cards with nothing on them
  uint8_t cards = 0;
  uint8_t model = 0;
  bool open = true;  // takes new work
  uint16_t zone = 0;
  int16_t free[kMaxCards]{};  // milli of each card
};
static_assert(sizeof(NodeState) == 64);

// A node of this kind with nothing on it.
NodeState empty_node(const NodeSpec& spec);

// Where one member of a workload is. Without cards card_node == cpu_node.
struct Placement {
  NodeId cpu_node = kNone;
  NodeId card_node = kNone;
  uint32_t cards = 0;  // bit i: card i of card_node

  bool remote() const { return cpu_node != card_node; }
  bool operator==(const Placement&) const = default;
};

class Cluster {
 public:
  NodeId add(const NodeSpec& spec);
  size_t size() const { return nodes_.size(); }
  const NodeState& operator[](NodeId id) const { return nodes_[id]; }
  const NodeSpec& spec(NodeId id) const { return specs_[id]; }
  const int32_t* card_memory_free(NodeId id) const { return &card_memory_free_[id * kMaxCards]; }
  int64_t card_milli() const { return card_milli_; }  // of all nodes
  int64_t idle_milli() const { return idle_milli_; }

  // REQUIRES: the demand fits (fits()). Undone exactly by give() with the same arguments.
  void take(const Shape& shape, const Placement& at);
  void give(const Shape& shape, const Placement& at);
  // Whether this very placement has room, card by card; `at` may come from outside.
  bool fits(const Shape& shape, const Placement& at) const;
  void set_open(NodeId id, bool open);
  // What a fit allows, by NodeId, as model::Fit has it; numbers count from 1 without gaps. Nodes
  // where it changes count as changed.
  void set_fit(uint32_t fit, const std::vector<uint32_t>& nodes);
  // Of 0: everything.
  uint32_t allowed(uint32_t fit, NodeId id) const {
    return fit == 0 ? ~uint32_t{0} : fits_[fit - 1][id];
  }
  // The node as the shape may use it: cards that its fit does not allow have nothing free; when the
  // program may not run there it is closed.
  NodeState seen_by(const Shape& shape, NodeId id) const;

  // Position i of the log names the node of change i, or kNone when the node has changed again
  // since.
  uint64_t changes() const { return log_start_ + log_.size(); }
  uint64_t log_start() const { return log_start_; }
  NodeId changed(uint64_t position) const { return log_[position - log_start_]; }
  // Of each node, and one more that lacks everything: where kNone may look without harm.
  const RoomKey* keys() const { return keys_.data(); }

 private:
  void note(NodeId id);
  void move_cards(const Shape& shape, const Placement& at, int sign);

  std::vector<NodeState> nodes_;
  std::vector<NodeSpec> specs_;
  std::vector<int32_t> card_memory_free_;
  std::vector<RoomKey> keys_{0};
  std::vector<std::vector<uint32_t>> fits_;
  std::vector<NodeId> log_;
  std::vector<uint64_t> last_change_;
  uint64_t log_start_ = 0;
  int64_t card_milli_ = 0;
  int64_t idle_milli_ = 0;
};

}  // namespace flexai::sched
