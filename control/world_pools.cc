// Which cards are in which XpuPool, and what of them is free.
#include <algorithm>

#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {

// Selectors see of a card the pools that it is in, so whoever names one is judged like any other.
std::shared_ptr<const Card> World::with_pools(const std::shared_ptr<const Card>& card,
                                              const NodeFacts& node) const {
  std::set<std::string> in;
  for (const auto& [name, pool] : pools_)
    if (const auto held = holds(pool, node.labels, *card); held.ok() && *held) in.insert(name);
  return in == card->pools ? card : in_pools(*card, std::move(in));
}

void World::find_pools(const std::string& name) {
  const auto site = sites_.find(name);
  if (site == sites_.end()) return;
  for (auto& card : site->second.cards) {
    auto now = with_pools(card, site->second.facts);
    if (now == card) continue;
    card = std::move(now);
    dirty_sites_.insert(name);
  }
}

void World::pool(const std::string& name, const PoolFacts* now) {
  const auto known = pools_.find(name);
  const bool same = now != nullptr && known != pools_.end() && known->second.spec == now->spec;
  if (same) {  // of our own writing
    known->second = *now;
    return;
  }
  ++changes_;
  pools_.erase(name);
  if (now != nullptr) pools_[name] = *now;
  for (const auto& [node, site] : sites_) find_pools(node);
  for (const auto& [key, facts] : claims_) touch_claim(key);
}

base::Status World::check_pool(const std::string& name) const {
  if (name.empty()) return {};
  const auto known = pools_.find(name);
  if (known == pools_.end())
    return base::fail(base::Code::kNotFound, "pool " + name + " is not there");
  if (!known->second.wrong.empty())
    return base::fail(base::Code::kInvalid, "pool " + name + ": " + known->second.wrong);
  return {};
}

std::map<std::string, PoolUse> World::pool_use() const {
  std::map<std::string, PoolUse> all;
  for (const auto& [name, pool] : pools_) all[name];
  if (pools_.empty()) return all;
  std::map<std::pair<std::string, std::string>, int64_t> leases;  // by card
  for (const auto& [key, lease] : leases_)
    if (lease->status.phase != kube::LeasePhase::kReleased)
      ++leases[{lease->spec.pool, lease->spec.device}];
  for (const auto& [node, site] : sites_) {
    const auto drained = site.facts.labels.find(kube::kDrainedLabel);
    const bool away = !site.known || site.facts.unschedulable ||
                      (drained != site.facts.labels.end() && drained->second == "true");
    std::set<std::string> here;
    for (const CardState& state : states_of(node)) add_card(node, state, away, leases, &here, &all);
    for (const std::string& pool : here) ++all[pool].nodes;
  }
  return all;
}

namespace {

// The less of two that may be unknown.
int64_t less(int64_t a, int64_t b) { return a <= 0 || b <= 0 ? std::max(a, b) : std::min(a, b); }

void add_links(const std::string& node, const Card& card, PoolUse* use) {
  if (const std::string root = card.root(); !root.empty()) ++use->roots[{node, root}];
  use->slowest = less(use->slowest, card.link_mbps());
  use->network = less(use->network, card.network_mbps());
}

}  // namespace

void World::add_card(const std::string& node, const CardState& state, bool away,
                     const std::map<std::pair<std::string, std::string>, int64_t>& leases,
                     std::set<std::string>* here, std::map<std::string, PoolUse>* all) const {
  const Card& card = *state.card;
  const auto amount = [&state](const char* name) {
    const auto found = state.used.find(qualified(name, kube::kDriverName));
    return found == state.used.end() ? int64_t{0} : found->second.value();
  };
  const int64_t whole = std::max<int64_t>(1, card.compute());
  const int64_t used =
      state.taken ? 1000
                  : std::clamp<int64_t>(amount(kube::kComputeCapacity) * 1000 / whole, 0, 1000);
  const int64_t memory = state.taken
                             ? card.memory()
                             : std::clamp<int64_t>(amount(kube::kMemoryCapacity), 0, card.memory());
  const bool sick = std::any_of(card.taints.begin(), card.taints.end(), [](const Taint& taint) {
    return taint.key == kube::kUnhealthyTaint;
  });
  const auto held = leases.find({node, card.name});
  for (auto& [name, use] : *all) {
    if (card.pools.count(name) == 0) {
      const auto may = holds(pools_.at(name), sites_.at(node).facts.labels, card);
      if (may.ok()) continue;
      if (use.unsure++ == 0) use.doubt = may.error().message;
      continue;
    }
    here->insert(name);
    ++use.cards;
    use.sick += sick;
    use.drained += away && !sick;
    use.compute += 1000;
    use.used += used;
    use.memory += card.memory();
    use.ncu += card.ncu_milli();
    use.slices += held == leases.end() ? 0 : held->second;
    ++use.models[card.model()];
    add_links(node, card, &use);
    if (sick || away) continue;
    use.free += 1000 - used;
    use.largest = std::max(use.largest, 1000 - used);
    use.memory_free += card.memory() - memory;
  }
}

}  // namespace flexai::control
