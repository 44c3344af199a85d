// The six policies of the published experiment (Weng et al., USENIX ATC 2023, section 6), as scores
// of 0..100 a node; the highest integer score wins, ties go to the lowest rank.
#include <algorithm>
#include <cmath>

#include "apps/sim/packer.h"
#include "apps/sim/random.h"
#include "sched/cost_table.h"

namespace flexai::apps::sim {
namespace {

using sched::Cost;
using sched::NodeId;
using sched::NodeState;
using sched::Shape;

constexpr double kMostCpu = 128000, kMostCards = 8000;  // of the largest node, normalise scores

bool has_room(const Shape& s, const NodeState& n) {
  if (n.cpu_free < s.cpu_milli || n.memory_free < s.memory_mib) return false;
  if (s.cards == 0) return true;
  if ((s.models >> n.model & 1) == 0) return false;
  return s.cards == 1 ? n.most >= s.milli : n.whole >= s.cards;
}

// The card with the least room that does; whole cards in index order.
uint32_t tightest(const Shape& s, const NodeState& n) {
  uint32_t chosen = 0;
  int left = s.cards;
  if (s.cards > 1) {
    for (int i = 0; i < n.cards && left > 0; ++i)
      if (n.free[i] == sched::kWholeCard) chosen |= 1u << i, --left;
    return chosen;
  }
  int best = -1;
  for (int i = 0; i < n.cards; ++i)
    if (n.free[i] >= s.milli && (best < 0 || n.free[i] < n.free[best])) best = i;
  return s.cards == 0 ? 0 : 1u << best;
}

class Scored : public Packer {
 public:
  explicit Scored(const PackerInput& input) : input_(input) {}

  sched::Placement place(sched::ShapeId id) override {
    if (id >= tables_.size()) tables_.resize(id + 1);
    sched::CostTable& table = tables_[id];
    const Shape& shape = input_.shapes[id];
    table.refresh(input_.cluster, 1, sched::need_of(shape), sched::kAnyModel, &wake_, &scratch_,
                  [&](NodeId n) {
                    const NodeState& node = input_.cluster[n];
                    return has_room(shape, node) ? static_cast<Cost>(-score(shape, node, n))
                                                 : sched::kInfeasible;
                  });
    const NodeId node = choose(table);
    if (node == sched::kNone) return {};
    return {node, node, card(shape, input_.cluster[node])};
  }

 protected:
  virtual int score(const Shape& shape, const NodeState& node, NodeId id) = 0;
  virtual NodeId choose(const sched::CostTable& table) { return table.best(); }
  virtual uint32_t card(const Shape& shape, const NodeState& node) { return tightest(shape, node); }

  PackerInput input_;

 private:
  std::vector<sched::CostTable> tables_;
  sched::Wake wake_;
  std::vector<NodeId> scratch_;
};

class Anywhere : public Scored {
 public:
  explicit Anywhere(const PackerInput& input) : Scored(input), random_(input.seed ^ 0x5eed) {}

 protected:
  int score(const Shape&, const NodeState&, NodeId) override { return 0; }
  NodeId choose(const sched::CostTable& table) override {
    std::vector<NodeId> feasible;
    for (NodeId n = 0; n < input_.cluster.size(); ++n)
      if (table.cost(n) == 0) feasible.push_back(n);
    return feasible.empty() ? sched::kNone : feasible[random_.below(feasible.size())];
  }
  uint32_t card(const Shape& s, const NodeState& n) override {
    if (s.cards != 1) return tightest(s, n);
    std::vector<int> fit;
    for (int i = 0; i < n.cards; ++i)
      if (n.free[i] >= s.milli) fit.push_back(i);
    return 1u << fit[random_.below(fit.size())];
  }

 private:
  Random random_;
};

class DotProd : public Scored {
 public:
  using Scored::Scored;

 protected:
  int score(const Shape& s, const NodeState& n, NodeId) override {
    const double cpu = n.cpu_free * static_cast<double>(s.cpu_milli) / (kMostCpu * kMostCpu);
    const double cards = n.idle * static_cast<double>(s.total_milli()) / (kMostCards * kMostCards);
    return static_cast<int>(100 * (1 - 0.5 * (cpu + cards)));
  }
};

class BestFit : public Scored {
 public:
  using Scored::Scored;

 protected:
  int score(const Shape& s, const NodeState& n, NodeId) override {
    const double cpu = (n.cpu_free - s.cpu_milli) / kMostCpu;
    const double cards = (n.idle - s.total_milli()) / kMostCards;
    return static_cast<int>(100 * (1 - 0.5 * cpu - 0.5 * cards));
  }
};

class Packing : public Scored {
 public:
  using Scored::Scored;

 protected:
  int score(const Shape& s, const NodeState& n, NodeId) override {
    if (s.cards == 0) return 0;
    if (n.whole == n.cards) return std::max(33 - n.whole, int{n.whole});
    const uint32_t cards = tightest(s, n);
    int idle = 0, fresh = 0;
    for (int i = 0; i < n.cards; ++i) {
      if ((cards >> i & 1) == 0) continue;
      idle += n.free[i];
      fresh += n.free[i] == sched::kWholeCard;
    }
    return fresh > 0 ? std::max(50 - fresh, 33) : std::max(100 - idle / 10, 50);
  }
};

class Clustering : public Scored {
 public:
  explicit Clustering(const PackerInput& input)
      : Scored(input), counts_(input.cluster.size() * kClasses), total_(input.cluster.size()) {}
  void placed(sched::ShapeId id, const sched::Placement& at) override {
    const Shape& s = input_.shapes[id];
    if (s.cards == 0) return;
    ++counts_[at.card_node * kClasses + class_of(s)];
    ++total_[at.card_node];
  }

 protected:
  int score(const Shape& s, const NodeState& n, NodeId id) override {
    if (s.cards == 0) return 0;
    const int same = counts_[id * kClasses + class_of(s)];
    const int affinity = total_[id] == 0 ? 25 : same == 0 ? 0 : same == total_[id] ? 75 : 50;
    return affinity + static_cast<int>(25 * (kMostCards - n.idle) / kMostCards);
  }

 private:
  static constexpr size_t kClasses = sched::kMaxCards + 1;
  static size_t class_of(const Shape& s) { return s.milli < sched::kWholeCard ? 0 : s.cards; }
  std::vector<int> counts_, total_;
};

class Fgd : public Scored {
 public:
  using Scored::Scored;

 protected:
  static int grade(int64_t change) {
    const double cards = static_cast<double>(change) / sched::Fragment::kOne / sched::kWholeCard;
    return static_cast<int>(100 / (1 + std::exp(cards)));
  }
  int score(const Shape& s, const NodeState& n, NodeId id) override {
    return grade(input_.published.best(s, n, input_.cluster.card_memory_free(id)).change);
  }
  // The first card of the best integer grade, not the best card.
  uint32_t card(const Shape& s, const NodeState& n) override {
    if (s.cards != 1 || s.milli == sched::kWholeCard) return tightest(s, n);
    int best = -1, best_grade = -1;
    for (int i = 0; i < n.cards; ++i) {
      if (n.free[i] < s.milli) continue;
      const int g = grade(input_.published.change_on(s, n, i));
      if (g > best_grade) best = i, best_grade = g;
    }
    return 1u << best;
  }
};

}  // namespace

std::vector<std::string> published_policies() {
  return {"Random", "DotProd", "Clustering", "Packing", "BestFit", "FGD"};
}

std::unique_ptr<Packer> make_published(const std::string& name, const PackerInput& input) {
  if (name == "Random") return std::make_unique<Anywhere>(input);
  if (name == "DotProd") return std::make_unique<DotProd>(input);
  if (name == "Clustering") return std::make_unique<Clustering>(input);
  if (name == "Packing") return std::make_unique<Packing>(input);
  if (name == "BestFit") return std::make_unique<BestFit>(input);
  if (name == "FGD") return std::make_unique<Fgd>(input);
  return nullptr;
}

}  // namespace flexai::apps::sim
