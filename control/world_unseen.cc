// What we wrote and the watches do not show yet. Each watch comes in its own time, and one that was
// cut may be seconds behind the others: a claim may be seen to be free again before the lease that
// speaks for its cards was seen at all.
#include <algorithm>

#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {

bool World::shown_by(const ClaimFacts& facts, const Given& given) const {
  return facts.allocated &&
         std::any_of(facts.given.begin(), facts.given.end(), [&](const Given& g) {
           return g.share_id == given.share_id && g.pool == given.pool && g.card == given.card;
         });
}

// Nothing while the claim, as it is or is assumed to be, says the same.
std::vector<World::Grant> World::unseen_of(const std::string& key) const {
  const auto at = unseen_.find(key);
  if (at == unseen_.end()) return {};
  const auto& [uid, given, shown, sent, made] = at->second;
  if (const ClaimAt* known = claim_with(uid); known != nullptr) {
    if (shown_by(*known->second, given)) return {};
    if (const auto by = assumed_claims_.find(known->first); by != assumed_claims_.end())
      for (const Award& award : assumed_.at(by->second).awards)
        for (const Given& g : award.given)
          if (award.claim_uid == uid && g.share_id == given.share_id && g.card == given.card &&
              g.pool == given.pool)
            return {};
  }
  return {{given.pool, given.card, given.consumed, given.admin, nullptr, given.request,
           &given.consumed}};
}

void World::writing(const Award& award) {
  const ClaimFacts* facts = claim(award.claim);
  if (facts == nullptr) return;
  for (size_t i = 0; i < award.given.size(); ++i) {
    const Given& given = award.given[i];
    if (!given.ours || given.admin) continue;
    const std::string key = facts->ns + "/" + kube::lease_name(award.claim_uid, i);
    drop_unseen(key);
    unseen_[key] = {award.claim_uid, given, false, false, false};
    unseen_on_[given.pool].insert(key);
    leases_of_[award.claim_uid].insert(key);
    mark("@lease:" + key);
  }
}

void World::unwritten(const Award& award) {
  const size_t slash = award.claim.find('/');
  for (size_t i = 0; i < award.given.size(); ++i)
    drop_unseen(award.claim.substr(0, slash + 1) + kube::lease_name(award.claim_uid, i));
}

void World::lease_sent(const std::string& key, const std::string& uid, const Given& given) {
  Unseen& unseen = unseen_[key];
  unseen.claim_uid = uid;
  unseen.given = given;
  unseen.sent = true;
  unseen_on_[given.pool].insert(key);
  leases_of_[uid].insert(key);
}

void World::lease_answered(const std::string& key, bool there) {
  const auto at = unseen_.find(key);
  if (at == unseen_.end()) return;
  if (there)
    at->second.made = true;
  else
    drop_unseen(key);
}

std::vector<std::string> World::unseen_alone() const {
  std::vector<std::string> alone;
  for (const auto& [key, unseen] : unseen_)
    if (unseen.made && !unseen_of(key).empty()) alone.push_back(key);
  return alone;
}

void World::see_claim(const std::string& uid, const ClaimFacts* now) {
  const auto leases = leases_of_.find(uid);
  if (leases == leases_of_.end()) return;
  for (const std::string& key : std::set<std::string>(leases->second)) {
    const auto at = unseen_.find(key);
    if (at == unseen_.end()) continue;
    Unseen& unseen = at->second;
    const bool shows = now != nullptr && shown_by(*now, unseen.given);
    unseen.shown = unseen.shown || shows;
    // Of a card that is given whole there is no lease: the claim is all there is.
    const bool whole = unseen.given.share_id.empty();
    if (unseen.shown && !unseen.sent && (whole || !shows)) drop_unseen(key);
  }
}

void World::see_lease(const std::string& key, const kube::Lease* before, const kube::Lease* now) {
  const auto at = unseen_.find(key);
  if (at == unseen_.end()) return;
  const std::string& share = at->second.given.share_id;
  if ((now != nullptr && now->spec.share_id == share) ||
      (now == nullptr && before != nullptr && before->spec.share_id == share))
    drop_unseen(key);
}

void World::drop_unseen(const std::string& key) {
  const auto at = unseen_.find(key);
  if (at == unseen_.end()) return;
  const auto on = unseen_on_.find(at->second.given.pool);
  on->second.erase(key);
  if (on->second.empty()) unseen_on_.erase(on);
  if (lease(key) == nullptr)
    if (const auto of = leases_of_.find(at->second.claim_uid); of != leases_of_.end()) {
      of->second.erase(key);
      if (of->second.empty()) leases_of_.erase(of);
    }
  unseen_.erase(at);
  ++changes_;
  mark("@lease:" + key);
}

void World::drop_unseen() {
  while (!unseen_.empty()) drop_unseen(std::string(unseen_.begin()->first));
}

}  // namespace flexai::control
