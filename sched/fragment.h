// Fragment: how much of a node's idle cards is out of reach of the typical demand.
//
// Source: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
// Fragmentation Gradient Descent", USENIX ATC 2023, section 3: for a typical demand m of
// probability p, all idle milli of a node are fragments when the node cannot host m (no card
// wanted, model, cpu, cards); else those on cards too small for m. Summed over m with weights p.
//
// The sum is not taken over m each time: for a model and an amount of free cpu everything but the
// free milli of the cards is constant, so a row of a table holds the weight that an idle milli
// counts with, by size of the hole, and a node costs one step a card.
//
// With `reach` a demand that may use remote cards is not stranded by a lack of cpu beside the card:
// it counts with `stranded_milli` thousandths of its weight only.
//
// Holes::kByWorth replaces the weight of a hole by what it is really short of: its milli less its
// worth (sched/worth.h), for the part of the demand that the node can host. A hole of 190 beside a
// slice of 810 then costs nothing where a threshold would count it as lost, and filling 470 of a
// whole card costs what the card loses, not what most demand cannot use any more.
//
// Weights are integers that add up to kOne, so results are the same on every machine.
// Immutable after build(); any thread may read.
#pragma once

#include <cstdint>
#include <vector>

#include "sched/cluster.h"

namespace flexai::sched {

enum class Holes { kByThreshold, kByWorth };  // as published; as above

struct TypicalDemand {
  Shape shape;
  double weight = 0;  // any unit
};

class Fragment {
 public:
  static constexpr int64_t kOne = 1 << 16;

  // REQUIRES: at least one demand of positive weight. `stranded_milli` in 0..1000.
  void build(const std::vector<TypicalDemand>& mix, int models, int stranded_milli = 1000,
             Holes holes = Holes::kByThreshold);
  bool built() const { return !rows_.empty(); }

  // Fragments of the node in milli x kOne.
  int64_t of(const NodeState& node) const { return of(node, row(node.model, node.cpu_free)); }

  // What is kept of a node between changes, so that a score need not find it again.
  struct Known {
    int32_t fragments = 0;  // of(node)
    int32_t shorts = 0;     // sum of what its holes are short of
  };
  Known known(const NodeState& node) const {
    return {of(node, row(node.model, node.cpu_free)), shorts(node)};
  }

  struct Choice {
    int64_t change = 0;  // of fragments, milli x kOne; less is better
    int card = -1;       // of a demand of one card; -1 else
  };
  // What placing the demand does, on the card where it does least. REQUIRES: the node has room.
  // `memory`: free memory of the cards, looked at when the demand asks for some.
  Choice best(const Shape& shape, const NodeState& node, const int32_t* memory) const {
    return best(shape, node, memory, known(node));
  }
  // The same when known(node) is at hand.
  Choice best(const Shape& shape, const NodeState& node, const int32_t* memory,
              const Known& before) const;
  // The same on one given card. REQUIRES: shape.cards == 1 and the card has room.
  int64_t change_on(const Shape& shape, const NodeState& node, int card) const;

 private:
  static constexpr size_t kMaxLevels = 48;  // sizes of holes told apart
  static constexpr size_t kMaxRows = 48;    // amounts of free cpu told apart
  // Weights for a model and an amount of free cpu; so narrow that all rows stay near the processor.
  class Row {
   public:
    explicit Row(const int32_t* at) : at_(at) {}
    int32_t always() const { return at_[0]; }                 // of every idle milli
    int32_t gang(int whole) const { return at_[1 + whole]; }  // demand of several cards that fits
    int32_t hole(int level) const {
      return at_[kHoles + static_cast<size_t>(level)];
    }  // by the level of the hole

   private:
    const int32_t* at_;
  };
  static constexpr size_t kHoles = 2 + kMaxCards;

  Row row(int model, int32_t cpu) const;
  int32_t of(const NodeState& node, Row row) const;
  int32_t shorts(const NodeState& node) const;
  // Of all holes of the node, idle milli x weight.
  int32_t lost(Row row, const NodeState& node, int32_t shorts) const;
  // Of a hole of so many milli.
  int32_t lost(Row row, int free) const { return short_[free] * row.hole(level_[free]); }
  void add(const TypicalDemand& demand, int32_t weight, int stranded_milli);
  void count_by_worth(const std::vector<TypicalDemand>& mix);
  Choice on_best_card(const Shape& shape, const NodeState& node, const int32_t* memory, Row after,
                      int64_t elsewhere) const;

  std::vector<int32_t> rows_;  // models x (thresholds of cpu + 1) x width_
  size_t width_ = 0;
  bool one_level_ = false;               // all holes count alike
  std::vector<int32_t> cpu_thresholds_;  // ends with one that nothing reaches
  static constexpr int kCpuShift = 10;
  uint8_t cpu_level_[256] = {};  // thresholds that cpu >> kCpuShift is surely not below
  std::vector<int16_t> milli_thresholds_;
  uint8_t level_[kWholeCard + 1] = {};  // of a hole of so many milli
  int16_t short_[kWholeCard + 1] = {};  // milli of it that count
  int models_ = 0;
};

}  // namespace flexai::sched
