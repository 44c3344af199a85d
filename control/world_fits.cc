// Where units may be: a word for each node, shared by all that ask for the same.
#include <algorithm>

#include "control/json_parts.h"
#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {

NodeUse World::use_of(const std::string& node) const {
  std::set<std::string> there;
  if (const auto at = pods_on_.find(node); at != pods_on_.end()) there = at->second;
  // And those that are on their way.
  for (const auto& [key, place] : assumed_)
    if (place.node == node) there.insert(key);
  for (const auto& [key, facts] : claims_)
    if (facts->allocated && facts->node == node) there.insert(holder_of(key, *facts));
  there.erase("");
  NodeUse use;
  for (const std::string& key : there) {
    const PodFacts& pod = *pods_.at(key);
    ++use.pods;
    for (const auto& [name, amount] : pod.extras) use.extras[name] += amount;
    use.ports.insert(use.ports.end(), pod.ports.begin(), pod.ports.end());
  }
  return use;
}

const char* World::volume_obstacle(const FitRecord& fit, const std::string& node,
                                   const Site& site) const {
  for (const std::string& key : fit.volumes) {
    const auto claim = volume_claims_.find(key);
    if (claim == volume_claims_.end()) return "while a volume claim is not there";
    if (claim->second.volume.empty()) continue;  // is made where the pod goes
    const auto volume = volumes_.find(claim->second.volume);
    if (volume == volumes_.end()) continue;
    if (volume->second.has_affinity && !matches(volume->second.affinity, node, site.facts.labels))
      return "out of reach of a volume";
  }
  return nullptr;
}

// `why`: the first obstacle, for people.
uint32_t World::word_of(const FitRecord& fit, const std::string& name, const Site& site,
                        std::string* why) const {
  const auto say = [why](const std::string& text) {
    if (why != nullptr && why->empty()) *why = text;
  };
  if (!fit.pool.empty()) {  // as long as the node is there at all
    uint32_t there = name == fit.processor ? model::Fit::kProcessor : 0;
    for (uint32_t i = 0; name == fit.pool && i < site.cards.size(); ++i)
      if (site.cards[i]->name == fit.card) there |= 1u << i;
    return there;
  }
  if (!fit.leaves.empty()) return word_to_move(fit, name, site);
  if (!site.known) return 0;
  uint32_t word = 0;
  if (fit.excluded.count(name) != 0) {
    say("where it did not fit together");
    return 0;
  }
  NodeUse use;
  if (fit.dynamic())
    use = use_of(name);
  else if (site.full)
    use.pods = site.facts.pods;
  const char* obstacle_here = obstacle(fit.constraints, site.facts, use);
  if (obstacle_here == nullptr) obstacle_here = volume_obstacle(fit, name, site);
  if (fit.avoided.count(name) != 0) obstacle_here = "where kube-scheduler could not bind it";
  if (!fit.pinned.empty() && fit.pinned != name)
    obstacle_here = "other than that of its first claim";
  if (obstacle_here == nullptr)
    word = model::Fit::kProcessor;
  else
    say(obstacle_here);
  if (closed(fit.constraints, site.facts) != nullptr) return word;
  if (const auto drained = site.facts.labels.find(kube::kDrainedLabel);
      drained != site.facts.labels.end() && drained->second == "true" && !site.cards.empty()) {
    say("whose cards are being drained");
    return fit.monitors ? 0 : word;
  }
  for (uint32_t i = 0; i < site.cards.size(); ++i)
    for (const auto& [request, of] : fit.wishes) {
      const auto may = selectable(*site.cards[i], request, of);
      if (!may.ok()) say(may.error().message);
      if (may.ok() && *may) word |= 1u << i;
    }
  if (fit.monitors && (word & ~model::Fit::kProcessor) == 0) word = 0;
  if ((word & ~model::Fit::kProcessor) == 0 && !site.cards.empty())
    say("whose cards its selectors do not match");
  return word;
}

void World::compute(FitRecord* fit) {
  fit->words.name = fit->name;
  fit->words.nodes.assign(sites_.size(), 0);
  for (const auto& [name, site] : sites_)
    fit->words.nodes[site.position] = word_of(*fit, name, site, nullptr);
  fit->fresh = true;
}

void World::site_changed(const std::string& name, sched::Delta*) {
  const auto at = sites_.find(name);
  if (at == sites_.end()) return;
  for (auto& [key, fit] : fits_) {
    const uint32_t word = word_of(fit, name, at->second, nullptr);
    uint32_t& known = fit.words.nodes[at->second.position];
    fit.fresh = fit.fresh || word != known;
    known = word;
  }
}

std::string World::fit_for(const PodFacts& pod, const std::vector<Asking>& asking,
                           const UnitState& state) {
  std::string pinned;
  for (const ClaimFacts* claim : our_claims(pod))
    if (claim->allocated && !claim->node.empty()) pinned = claim->node;
  Json key = Json::array({pod.wish->constraints_key, pinned, state.excluded, state.avoided});
  for (const Asking& one : asking) {
    key.push_back(one.claim->wishes);
    for (const auto& ways : one.classes)
      for (const ClassFacts* of : ways) key.push_back(of->name + of->wishes);
  }
  const std::string text = dump(key);
  const auto known = fits_.find(text);
  if (known != fits_.end()) return known->second.name;
  FitRecord& fit = fits_[text];
  fit.name = "f" + std::to_string(next_fit_++);
  fit_names_[fit.name] = text;
  fit.constraints = pod.wish->constraints;
  for (const std::string& volume : pod.wish->volumes) fit.volumes.push_back(pod.ns + "/" + volume);
  fit.excluded = state.excluded;
  fit.avoided = state.avoided;
  fit.pinned = pinned;
  fit.monitors = !asking.empty();
  for (const Asking& one : asking)
    for (size_t r = 0; r < one.claim->requests.size(); ++r)
      for (size_t w = 0; w < one.claim->requests[r].size(); ++w) {
        fit.wishes.emplace_back(one.claim->requests[r][w], *one.classes[r][w]);
        fit.monitors = fit.monitors && one.claim->requests[r][w].admin;
      }
  compute(&fit);
  return fit.name;
}

std::map<std::string, int> World::obstacles(const std::string& unit) const {
  std::map<std::string, int> counts;
  const auto state = units_.find(unit);
  if (state == units_.end()) return counts;
  const auto name = fit_names_.find(state->second.fit);
  if (name == fit_names_.end()) return counts;
  const FitRecord& fit = fits_.at(name->second);
  for (const auto& [node, site] : sites_) {
    std::string why;
    word_of(fit, node, site, &why);
    if (!why.empty()) ++counts[why];
  }
  return counts;
}

// The cards of a node with all that is on them. `without`: a pod whose assumed place counts as
// free.
std::vector<CardState> World::states_of(const std::string& node,
                                        const std::set<std::string>& making_way,
                                        const std::string& without) const {
  std::vector<CardState> states;
  const auto at = sites_.find(node);
  if (at == sites_.end()) return states;
  std::map<std::string, size_t> index;
  for (uint32_t i = 0; i < at->second.cards.size(); ++i) {
    states.push_back({at->second.cards[i].get(), i, false, {}});
    index[at->second.cards[i]->name] = i;
  }
  const auto take = [&](const std::string& card, const Amounts& consumed) {
    const auto found = index.find(card);
    if (found == index.end()) return;
    CardState& state = states[found->second];
    if (!state.card->shared) state.taken = true;
    for (const auto& [name, amount] : consumed) state.used[name] = state.used[name] + amount;
  };
  std::set<std::string> claims;
  if (const auto on = claims_on_.find(node); on != claims_on_.end()) claims = on->second;
  if (const auto on = assumed_on_.find(node); on != assumed_on_.end())
    claims.insert(on->second.begin(), on->second.end());
  if (const auto on = leases_on_.find(node); on != leases_on_.end())
    for (const std::string& key : on->second)  // those that came from elsewhere
      if (const kube::Lease* l = lease(key); l != nullptr)
        if (const ClaimAt* of = claim_with(l->spec.claim.uid); of != nullptr)
          claims.insert(of->first);
  for (const std::string& key : claims) {
    const ClaimFacts* facts = claim(key);
    if (facts == nullptr) continue;
    const std::string& holder = holder_of(key, *facts);
    if (!without.empty() && holder == without && !facts->allocated) continue;
    const View view = making_way.count(holder) != 0 ? View::kPlanned : View::kNow;
    for (const Grant& grant : grants_of(key, facts, view))
      if (grant.pool == node && !grant.admin) take(grant.card, grant.consumed);
  }
  if (const auto on = leases_on_.find(node); on != leases_on_.end())
    for (const std::string& key : on->second)
      for (const Grant& grant : left_by(key))
        if (grant.pool == node) take(grant.card, grant.consumed);
  if (const auto on = unseen_on_.find(node); on != unseen_on_.end())
    for (const std::string& key : on->second)
      for (const Grant& grant : unseen_of(key)) take(grant.card, grant.consumed);
  return states;
}

}  // namespace flexai::control
