// Slices that go to cards of other nodes while their pods run: which may, where to, how far they
// are.
#include <algorithm>

#include "control/json_parts.h"
#include "control/world.h"
#include "kube/names.h"
#include "kube/time_text.h"

namespace flexai::control {
namespace {

using kube::Lease;
using kube::LeasePhase;
using kube::LeaseState;
using model::Workload;

// By these a program could tell two cards apart; the agents look at more of them.
constexpr const char* kLikeness[] = {"api", "brand", "model", "kind", "driverVersion"};

std::vector<std::string> likeness(const Card& card) {
  std::vector<std::string> all;
  for (const char* name : kLikeness) {
    const auto found = card.attributes.find(qualified(name, kube::kDriverName));
    const auto* text = found == card.attributes.end() ? nullptr : found->second.get<std::string>();
    all.push_back(text == nullptr ? "" : *text);
  }
  return all;
}

}  // namespace

// Programs on the card's own node have it without a network in between, and stay.
bool World::may_move(const Lease& l, const kube::SliceConfig& config) const {
  return config.move && l.spec.node != l.spec.pool && l.spec.state == LeaseState::kRunning &&
         l.status.phase == LeasePhase::kRunning && !l.spec.hold;
}

// The processor stays where it is. Empty: its card is not known.
std::string World::fit_to_move(const PodFacts& p, const Grant& grant) {
  const auto site = sites_.find(grant.pool);
  if (site == sites_.end()) return "";
  const auto& cards = site->second.cards;
  const auto card = std::find_if(cards.begin(), cards.end(),
                                 [&](const auto& one) { return one->name == grant.card; });
  if (card == cards.end()) return "";
  FitRecord fit;
  Json key = Json::array({"move", p.node, grant.pool, likeness(**card), p.wish->constraints_key});
  for (const ClaimFacts* facts : our_claims(p))
    for (const auto& ways : facts->requests)
      for (const Request& way : ways) {
        const ClassFacts* of = class_of(way.device_class);
        if (way.name != grant.request || of == nullptr) continue;
        fit.wishes.emplace_back(way, *of);
        key.push_back(facts->wishes + of->name + of->wishes);
      }
  const std::string text = dump(key);
  const auto known = fits_.find(text);
  if (known != fits_.end()) return known->second.name;
  fit.name = "f" + std::to_string(next_fit_++);
  fit.constraints = p.wish->constraints;
  fit.processor = p.node;
  fit.leaves = grant.pool;
  fit.like = likeness(**card);
  fit_names_[fit.name] = text;
  FitRecord& made = fits_[text] = std::move(fit);
  compute(&made);
  return made.name;
}

uint32_t World::word_to_move(const FitRecord& fit, const std::string& name,
                             const Site& site) const {
  uint32_t word = name == fit.processor ? model::Fit::kProcessor : 0;
  // Not home either: the agent there has the pod's door under the name of the slice.
  if (name == fit.leaves || name == fit.processor || !site.known ||
      closed(fit.constraints, site.facts) != nullptr)
    return word;
  const auto drained = site.facts.labels.find(kube::kDrainedLabel);
  if (drained != site.facts.labels.end() && drained->second == "true") return word;
  for (uint32_t i = 0; i < site.cards.size(); ++i) {
    const Card& card = *site.cards[i];
    if (!card.shared || likeness(card) != fit.like) continue;
    for (const auto& [request, of] : fit.wishes) {
      const auto may = selectable(card, request, of);
      if (may.ok() && *may) word |= 1u << i;
    }
  }
  return word;
}

// Who has moved is left alone for a while; the agent there has said when it came.
void World::remember_move(const Grant& grant, Workload* piece) const {
  const Lease* l = grant.lease;
  const ClaimAt* claim = claim_with(l->spec.claim.uid);
  if (claim == nullptr) return;
  for (const Given& given : claim->second->given)
    if (given.share_id == l->spec.share_id && given.pool == l->spec.pool) return;
  piece->moves = 1;
  piece->moved_ms = std::max<int64_t>(0, kube::unix_ms_of(l->status.since));
}

kube::LeaseTarget World::card_of(const model::MemberPlace& place) const {
  const std::string& pool = place.card_node.empty() ? place.node : place.card_node;
  const auto site = sites_.find(pool);
  if (place.cards.size() != 1 || site == sites_.end() ||
      place.cards[0] >= site->second.cards.size())
    return {};
  return {pool, site->second.cards[place.cards[0]]->name};
}

void World::look_after_move(const std::string& key, const Lease* l) {
  const bool wanted = l != nullptr && !l->deleting && !l->spec.target.empty();
  const LeasePhase phase = wanted ? l->status.phase : LeasePhase::kPending;
  if (wanted && phase == LeasePhase::kMoved) landed_.insert(key);
  // Once it is on its way only its card's agent can say how it ends.
  if (!wanted || phase == LeasePhase::kMoving || phase == LeasePhase::kMoved ||
      phase == LeasePhase::kFailed)
    departing_.erase(key);
  else
    departing_.try_emplace(key, now_ms_);
}

std::vector<std::string> World::late() {
  std::vector<std::string> due;
  for (auto& [key, since] : departing_)
    if (now_ms_ >= since + kDeparts) {
      since = now_ms_;
      due.push_back(key);
    }
  return due;
}

}  // namespace flexai::control
