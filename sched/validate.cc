// What a snapshot must hold before anybody computes with it.
#include <algorithm>
#include <map>
#include <set>

#include "sched/snapshot.h"

namespace flexai::sched {
namespace {

using base::Code;
using base::fail;
using base::Status;

constexpr size_t kMostNodes = 200'000, kMostWorkloads = 2'000'000, kMostQueues = 10'000;
constexpr size_t kMostNames = 62;  // of labels and of zones
constexpr int32_t kMostCpu = 10'000'000, kMostMemory = 1'000'000'000, kMostNetwork = 10'000'000;
constexpr int64_t kMostAmount = int64_t{1} << 50;

std::string quoted(const std::string& name) { return "\"" + name.substr(0, 60) + "\""; }

Status range(const std::string& what, const char* field, int64_t value, int64_t least,
             int64_t most) {
  if (value >= least && value <= most) return {};
  return fail(Code::kInvalid, what + ": " + field + " is " + std::to_string(value) +
                                  ", must be in " + std::to_string(least) + ".." +
                                  std::to_string(most));
}

constexpr int64_t kMaxCardsOfNode = 16;

Status check(const std::string& what, const model::Demand& d) {
  FLEXAI_TRY(range(what, "cards", d.cards, 0, kMaxCardsOfNode));
  FLEXAI_TRY(range(what, "cpu_milli", d.cpu_milli, 0, kMostCpu));
  FLEXAI_TRY(range(what, "memory_mib", d.memory_mib, 0, kMostMemory));
  FLEXAI_TRY(range(what, "card_memory_mib", d.card_memory_mib, 0, kMostMemory));
  FLEXAI_TRY(range(what, "network_mbps", d.network_mbps, 0, kMostNetwork / 16));
  FLEXAI_TRY(range(what, "remote_calls", d.remote_calls, 0, 10'000'000));
  return range(what, "remote_penalty", d.remote_penalty, 0, 100'000);
}

class Validation {
 public:
  explicit Validation(const Snapshot& snapshot) : s_(snapshot) {}

  Status run() {
    FLEXAI_TRY(
        range("snapshot", "number of nodes", static_cast<int64_t>(s_.nodes.size()), 1, kMostNodes));
    FLEXAI_TRY(range("snapshot", "number of workloads", static_cast<int64_t>(s_.workloads.size()),
                     0, kMostWorkloads));
    FLEXAI_TRY(range("snapshot", "number of queues", static_cast<int64_t>(s_.queues.size()), 0,
                     kMostQueues));
    FLEXAI_TRY(range("snapshot", "now_ms", s_.now_ms, 0, kMostAmount));
    FLEXAI_TRY(policy());
    for (const model::NcuRate& rate : s_.rates) {
      FLEXAI_TRY(range("rate " + quoted(rate.model), "milli", rate.milli, 1, 1'000'000));
      FLEXAI_TRY(
          range("rate " + quoted(rate.model), "scarcity_milli", rate.scarcity_milli, 0, 8000));
      if (!rates_.emplace(rate.model, rate.kind).second)
        return fail(Code::kInvalid, "rate " + quoted(rate.model) + ": kind " + quoted(rate.kind) +
                                        " of this model is there twice");
      kinds_.insert(rate.kind);
      if (rate.kind.empty()) ncu_[rate.model] = rate.milli;
    }
    FLEXAI_TRY(range("rates", "number of kinds", static_cast<int64_t>(kinds_.size()), 0, 64));
    FLEXAI_TRY(network());
    for (const model::DemandCount& demand : s_.mix) {
      FLEXAI_TRY(sched::check("mix", static_cast<const model::Demand&>(demand)));
      FLEXAI_TRY(range("mix", "card_milli", demand.card_milli, 0, 1000));
      FLEXAI_TRY(range("mix", "count", demand.count, 1, 1'000'000'000));
    }
    FLEXAI_TRY(range("mix", "number of demands", static_cast<int64_t>(s_.mix.size()), 0, 100'000));
    for (const model::Node& node : s_.nodes) FLEXAI_TRY(check(node));
    FLEXAI_TRY(names());
    for (const model::Queue& queue : s_.queues) FLEXAI_TRY(check(queue));
    for (const model::Fit& fit : s_.fits) {
      FLEXAI_TRY(validate(fit, s_.nodes.size()));
      if (!fits_.insert(fit.name).second)
        return fail(Code::kInvalid, "fit " + quoted(fit.name) + ": this name is there twice");
    }
    for (const model::DemandCount& demand : s_.mix)
      if (!demand.fit.empty())
        return fail(Code::kInvalid, "mix: a typical demand has no fit, " + quoted(demand.fit));
    FLEXAI_TRY(tree());
    for (const model::Workload& work : s_.workloads) FLEXAI_TRY(check(work));
    return {};
  }

 private:
  struct Room {
    const model::Node* node = nullptr;
    int64_t cpu = 0, memory = 0, network = 0;
    std::vector<int64_t> milli, card_memory;
  };

  Status policy() const {
    const Policy& p = s_.policy;
    FLEXAI_TRY(range("policy", "quantum_milli", p.quantum_milli, 1, 8000));
    FLEXAI_TRY(range("policy", "stranded_milli", p.stranded_milli, 0, 1000));
    FLEXAI_TRY(range("policy", "remote_most_milli", p.remote_most_milli, 0, kMostAmount));
    FLEXAI_TRY(range("policy", "remote_margin_milli", p.remote_margin_milli, 0, 100'000));
    FLEXAI_TRY(range("policy", "local_enough_milli", p.local_enough_milli, -100'000, 100'000));
    FLEXAI_TRY(range("policy", "aging_ms", p.aging_ms, 1, kMostAmount));
    FLEXAI_TRY(range("policy", "patience_ms", p.patience_ms, 0, kMostAmount));
    FLEXAI_TRY(range("policy", "least_run_ms", p.least_run_ms, 0, kMostAmount));
    FLEXAI_TRY(range("policy", "settle_ms", p.settle_ms, 0, kMostAmount));
    FLEXAI_TRY(range("policy", "backfill_most", p.backfill_most, 0, 1'000'000));
    FLEXAI_TRY(range("policy", "moves_most", p.moves_most, 0, 1000));
    for (const model::ActCost& cost :
         {p.costs.resize, p.costs.suspend, p.costs.migrate, p.costs.restart}) {
      FLEXAI_TRY(range("policy.costs", "fixed_ms", cost.fixed_ms, 0, 100'000'000));
      FLEXAI_TRY(range("policy.costs", "per_gib_ms", cost.per_gib_ms, 0, 1'000'000));
    }
    FLEXAI_TRY(range("policy", "busy_percent", p.busy_percent, 1, 100));
    return range("policy", "lazy_percent", p.lazy_percent, 0, 99);
  }

  Status network() const {
    for (const model::NetworkTier& tier : {s_.network.near, s_.network.far}) {
      FLEXAI_TRY(range("network", "mbps", tier.mbps, 0, kMostNetwork));
      FLEXAI_TRY(range("network", "round_trip_us", tier.round_trip_us, 0, 60'000'000));
    }
    return {};
  }

  Status check(const model::Node& n) {
    const std::string what = "node " + quoted(n.name);
    if (n.name.empty()) return fail(Code::kInvalid, "a node has no name");
    if (!rooms_.try_emplace(n.name).second)
      return fail(Code::kInvalid, what + ": this name is there twice");
    FLEXAI_TRY(range(what, "cards", n.cards, 0, kMaxCardsOfNode));
    FLEXAI_TRY(range(what, "cpu_milli", n.cpu_milli, 0, kMostCpu));
    FLEXAI_TRY(range(what, "memory_mib", n.memory_mib, 0, kMostMemory));
    FLEXAI_TRY(range(what, "card_memory_mib", n.card_memory_mib, 0, kMostMemory));
    FLEXAI_TRY(range(what, "network_mbps", n.network_mbps, 0, kMostNetwork));
    if (!n.each_card_mib.empty())
      FLEXAI_TRY(range(what, "number of each_card_mib",
                       static_cast<int64_t>(n.each_card_mib.size()), n.cards, n.cards));
    for (const int32_t mib : n.each_card_mib)
      FLEXAI_TRY(range(what, "each_card_mib", mib, 1, n.card_memory_mib));
    if (n.cards > 0 && n.model.empty())
      return fail(Code::kInvalid, what + ": model is missing; name the model of its cards");
    rooms_[n.name] = {&n,
                      n.cpu_milli,
                      n.memory_mib,
                      n.network_mbps,
                      std::vector<int64_t>(n.cards, 1000),
                      std::vector<int64_t>(n.cards, n.card_memory_mib)};
    if (!n.each_card_mib.empty())
      rooms_[n.name].card_memory = {n.each_card_mib.begin(), n.each_card_mib.end()};
    const auto rate = ncu_.find(n.model);
    cluster_ncu_ += int64_t{n.cards} * (rate == ncu_.end() ? 1000 : rate->second);
    return {};
  }

  Status names() const {
    std::set<std::string> models, zones, labels;
    for (const model::Node& n : s_.nodes) {
      models.insert(n.model);
      zones.insert(n.zone);
      labels.insert(n.labels.begin(), n.labels.end());
    }
    FLEXAI_TRY(range("nodes", "number of models", static_cast<int64_t>(models.size()), 0, 64));
    FLEXAI_TRY(
        range("nodes", "number of zones", static_cast<int64_t>(zones.size()), 0, kMostNames));
    return range("nodes", "number of labels", static_cast<int64_t>(labels.size()), 0, kMostNames);
  }

  Status check(const model::Queue& q) {
    const std::string what = "queue " + quoted(q.name);
    if (q.name.empty()) return fail(Code::kInvalid, "a queue has no name");
    if (!queues_.emplace(q.name, &q).second)
      return fail(Code::kInvalid, what + ": this name is there twice");
    FLEXAI_TRY(range(what, "guarantee", q.guarantee, 0, kMostAmount));
    FLEXAI_TRY(range(what, "deserved", q.deserved, q.guarantee, kMostAmount));
    if (q.limit != -1) FLEXAI_TRY(range(what, "limit", q.limit, q.deserved, kMostAmount));
    FLEXAI_TRY(range(what, "weight", q.weight, 1, 1'000'000));
    FLEXAI_TRY(range(what, "decayed_usage", q.decayed_usage, 0, kMostAmount));
    for (const model::ModelCap& cap : q.caps)
      FLEXAI_TRY(range(what, "cap", cap.milli, 0, kMostAmount));
    return {};
  }

  // Parents are there, there is no cycle, and children are guaranteed no more than their parent.
  Status tree() const {
    std::map<std::string, int64_t> promised;
    for (const auto& [name, q] : queues_) {
      promised[q->parent] += q->guarantee;
      size_t steps = 0;
      for (const model::Queue* at = q; !at->parent.empty();) {
        const auto up = queues_.find(at->parent);
        if (up == queues_.end())
          return fail(Code::kInvalid, "queue " + quoted(at->name) + ": parent " +
                                          quoted(at->parent) + " is not there");
        at = up->second;
        if (++steps > queues_.size())
          return fail(Code::kInvalid, "queue " + quoted(name) + ": its parents form a cycle");
      }
    }
    for (const auto& [parent, sum] : promised) {
      const int64_t most = parent.empty() ? cluster_ncu_ : queues_.at(parent)->guarantee;
      const std::string what = parent.empty() ? "the cluster" : "queue " + quoted(parent);
      if (sum > most)
        return fail(Code::kInvalid, what + ": its queues are guaranteed " + std::to_string(sum) +
                                        " milli-NCU together, more than its " +
                                        std::to_string(most));
    }
    return {};
  }

  Status check(const model::Workload& w) {
    const std::string what = "workload " + quoted(w.name);
    if (!work_.insert(w.name).second)
      return fail(Code::kInvalid, what + ": this name is there twice");
    if (!w.queue.empty() && queues_.count(w.queue) == 0)
      return fail(Code::kInvalid, what + ": queue " + quoted(w.queue) + " is not there");
    FLEXAI_TRY(validate(w));
    if (!w.fit.empty() && fits_.count(w.fit) == 0)
      return fail(Code::kInvalid, what + ": fit " + quoted(w.fit) + " is not there");
    for (const model::MemberPlace& place : w.places) FLEXAI_TRY(take(what, w, place));
    return {};
  }

  base::Result<Room*> room(const std::string& what, const std::string& node) {
    const auto at = rooms_.find(node);
    if (at != rooms_.end()) return &at->second;
    return fail(Code::kInvalid, what + ": runs on node " + quoted(node) + ", which is not there");
  }

  Status take(const std::string& what, const model::Workload& w, const model::MemberPlace& place) {
    FLEXAI_TRY_ASSIGN(Room * home, room(what, place.node));
    FLEXAI_TRY_ASSIGN(Room * far,
                      room(what, place.card_node.empty() ? place.node : place.card_node));
    home->cpu -= w.cpu_milli;
    home->memory -= w.memory_mib;
    if (home != far) {
      home->network -= int64_t{w.network_mbps} * w.cards;
      far->network -= int64_t{w.network_mbps} * w.cards;
    }
    FLEXAI_TRY(range(what, "number of cards at its place", static_cast<int64_t>(place.cards.size()),
                     w.cards, w.cards));
    const int32_t milli = w.cards > 1            ? 1000
                          : w.granted_milli >= 0 ? w.granted_milli
                                                 : w.card_milli;
    std::set<uint32_t> distinct;
    for (uint32_t card : place.cards) {
      if (card >= far->milli.size() || !distinct.insert(card).second)
        return fail(Code::kInvalid, what + ": card " + std::to_string(card) + " of node " +
                                        quoted(far->node->name) + " is not there or named twice");
      far->milli[card] -= milli;
      far->card_memory[card] -= w.card_memory_mib;
      if (far->milli[card] < 0 || far->card_memory[card] < 0)
        return fail(Code::kInvalid, what + ": overbooks card " + std::to_string(card) +
                                        " of node " + quoted(far->node->name));
    }
    if (home->cpu < 0 || home->memory < 0 || home->network < 0 || far->network < 0)
      return fail(Code::kInvalid, what + ": overbooks node " + quoted(home->node->name));
    return {};
  }

  const Snapshot& s_;
  std::map<std::string, int64_t> ncu_;
  std::set<std::pair<std::string, std::string>> rates_;  // model and kind
  std::set<std::string> kinds_;
  std::map<std::string, Room> rooms_;
  std::map<std::string, const model::Queue*> queues_;
  std::set<std::string> work_, fits_;
  int64_t cluster_ncu_ = 0;
};

}  // namespace

base::Status validate(const Snapshot& snapshot) { return Validation(snapshot).run(); }

base::Status validate(const model::Fit& fit, size_t nodes) {
  if (fit.name.empty()) return fail(Code::kInvalid, "a fit has no name");
  return range("fit " + quoted(fit.name), "number of nodes", static_cast<int64_t>(fit.nodes.size()),
               static_cast<int64_t>(nodes), static_cast<int64_t>(nodes));
}

base::Status validate(const model::Workload& w) {
  const std::string what = "workload " + quoted(w.name);
  if (w.name.empty()) return fail(Code::kInvalid, "a workload has no name");
  FLEXAI_TRY(range(what, "members", w.members, 1, 4096));
  FLEXAI_TRY(check(what, static_cast<const model::Demand&>(w)));
  if (w.cards > 0)
    FLEXAI_TRY(range(what, "card_milli", w.card_milli, w.cards > 1 ? 1000 : 1, 1000));
  FLEXAI_TRY(range(what, "card_milli_least", w.card_milli_least, 0, w.card_milli));
  FLEXAI_TRY(range(what, "interruption", w.interruption, 0, 100'000));
  FLEXAI_TRY(range(what, "moved_ms", w.moved_ms, 0, kMostAmount));
  FLEXAI_TRY(range(what, "started_ms", w.started_ms, 0, kMostAmount));
  FLEXAI_TRY(range(what, "priority", w.priority, -1'000'000, 1'000'000));
  FLEXAI_TRY(range(what, "submitted_ms", w.submitted_ms, 0, kMostAmount));
  FLEXAI_TRY(range(what, "granted_milli", w.granted_milli, -1, 1000));
  FLEXAI_TRY(range(what, "observed_milli", w.observed_milli, -1, 1000));
  const bool runs = w.state == model::WorkState::kRunning;
  return range(what, "number of places", static_cast<int64_t>(w.places.size()),
               runs ? w.members : 0, runs ? w.members : 0);
}

}  // namespace flexai::sched
