// Facts come in; what depends on them is marked to be looked at again.
#include <algorithm>

#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {
namespace {

constexpr int64_t kOrphaned = 5'000;  // ms

template <typename Map>
void drop(Map* map, const std::string& key, const std::string& member) {
  const auto at = map->find(key);
  if (at == map->end()) return;
  at->second.erase(member);
  if (at->second.empty()) map->erase(at);
}

std::string gang_key(const std::string& ns, const std::string& gang) {
  return ns + "/gang:" + gang;
}

}  // namespace

World::World(WorldOptions options) : options_(std::move(options)) {
  if (options_.classes.empty()) return;
}

const PodFacts* World::pod(const std::string& key) const {
  const auto at = pods_.find(key);
  return at == pods_.end() ? nullptr : at->second.get();
}
const ClaimFacts* World::claim(const std::string& key) const {
  const auto at = claims_.find(key);
  return at == claims_.end() ? nullptr : at->second.get();
}
const kube::Lease* World::lease(const std::string& key) const {
  const auto at = leases_.find(key);
  return at == leases_.end() ? nullptr : at->second.get();
}
const ClassFacts* World::class_of(const std::string& name) const {
  const auto at = classes_.find(name);
  return at == classes_.end() ? nullptr : &at->second;
}

bool World::ours(const ClaimFacts& claim) const {
  for (const auto& ways : claim.requests)
    for (const Request& way : ways) {
      const ClassFacts* of = class_of(way.device_class);
      if ((of != nullptr && of->ours) || std::find(options_.classes.begin(), options_.classes.end(),
                                                   way.device_class) != options_.classes.end())
        return true;
    }
  return claim.requests.empty() && !claim.wrong.empty() &&
         claim.wishes.find(std::string("\"") + kube::kClassName + "\"") != std::string::npos;
}

std::vector<const ClaimFacts*> World::our_claims(const PodFacts& pod) const {
  std::vector<const ClaimFacts*> found;
  if (pod.wish == nullptr) return found;
  for (const PodClaim& one : pod.wish->claims) {
    const ClaimFacts* facts = claim(pod.ns + "/" + one.claim);
    if (facts != nullptr && ours(*facts)) found.push_back(facts);
  }
  return found;
}

std::string World::unit_of(const std::string& key, const PodFacts& pod) const {
  if (pod.wish == nullptr || pod.wish->gang.empty() || pod.wish->gang_size < 2) return key;
  return gang_key(pod.ns, pod.wish->gang);
}

// Whose place a claim's cards belong to: who is assumed to get it, else the first that it is
// reserved for and is there.
const std::string& World::holder_of(const std::string& key, const ClaimFacts& facts) const {
  static const std::string kNobody;
  if (const auto at = assumed_claims_.find(key); at != assumed_claims_.end()) return at->second;
  for (const kube::Reference& reference : facts.reserved) {
    const auto found = pods_.find(facts.ns + "/" + reference.name);
    if (found != pods_.end() && found->second->uid == reference.uid && !found->second->finished)
      return found->first;
  }
  return kNobody;
}

// Whether that is this pod, whose claim it is. Nearly always it is the only one.
bool World::held_by(const std::string& key, const PodFacts& p, const ClaimFacts& claim) const {
  if (assumed_claims_.empty() && !claim.reserved.empty() && !p.finished &&
      claim.reserved.front().uid == p.uid && claim.reserved.front().name == p.name)
    return true;
  return holder_of(claim.ns + "/" + claim.name, claim) == key;
}

const World::ClaimAt* World::claim_with(const std::string& uid) const {
  const auto at = claim_of_uid_.find(uid);
  return at == claim_of_uid_.end() ? nullptr : at->second;
}

// All that may want something of the planner. Of most claims and leases that is nothing: they are
// looked after here, and only the others become units.
void World::first_look() {
  dirty_units_.reserve(dirty_units_.size() + pods_.size());
  for (const auto& [key, facts] : pods_)
    if (facts->wish != nullptr) mark(unit_of(key, *facts));
  for (const auto& [key, facts] : claims_) {
    look_after_claim(key, facts.get());
    if (facts->allocated && holder_of(key, *facts).empty()) mark("@claim:" + key);
  }
  for (const auto& [key, lease] : leases_) {
    const ClaimAt* claim = claim_with(lease->spec.claim.uid);
    look_after_lease(key, lease.get(), claim);
    if (left(*lease, claim) || unseen_.count(key) != 0) mark("@lease:" + key);
  }
}

void World::touch_pod(const std::string& key) {
  if (!marks_) return;
  const PodFacts* p = pod(key);
  if (p == nullptr) return;
  mark(unit_of(key, *p));
  if (p->wish == nullptr) return;
  for (const PodClaim& one : p->wish->claims) mark("@claim:" + p->ns + "/" + one.claim);
}

void World::touch_claim(const std::string& key) {
  if (!marks_) return;
  mark("@claim:" + key);
  if (const auto at = pods_of_claim_.find(key); at != pods_of_claim_.end())
    for (const std::string& name : at->second) {
      touch_pod(name);
      if (const PodFacts* p = pod(name); p != nullptr && !p->node.empty()) mark("@node:" + p->node);
    }
}

void World::pod(const std::string& key, Shared<PodFacts> now) {
  ++changes_;
  touch_pod(key);
  const auto known = now == nullptr ? pods_.find(key) : pods_.try_emplace(key).first;
  if (known == pods_.end()) return;
  if (const Shared<PodFacts> before = known->second; before != nullptr) {
    if (!before->node.empty()) {
      drop(&pods_on_, before->node, key);
      mark("@node:" + before->node);
    }
    if (before->wish != nullptr) {
      for (const PodClaim& one : before->wish->claims)
        drop(&pods_of_claim_, before->ns + "/" + one.claim, key);
      if (const std::string unit = unit_of(key, *before); unit != key)
        drop(&pods_of_gang_, unit, key);
    }
    if (now == nullptr || now->uid != before->uid) {
      forget(key);
      avoided_.erase(key);
      leaving_.erase(key);
      spared_.erase(key);
    }
    unfinished_.erase(key);
    if (now == nullptr) pods_.erase(known);
  }
  if (now == nullptr) return;
  known->second = now;
  if (!now->node.empty() && !now->finished) {
    pods_on_[now->node].insert(key);
    mark("@node:" + now->node);
  }
  if (now->wish != nullptr) {
    for (const PodClaim& one : now->wish->claims)
      pods_of_claim_[now->ns + "/" + one.claim].insert(key);
    if (const std::string unit = unit_of(key, *now); unit != key) pods_of_gang_[unit].insert(key);
  }
  touch_pod(key);
}

void World::node(const std::string& name, const NodeFacts* now) {
  ++changes_;
  Site& site = sites_[name];
  const bool same = now != nullptr && site.known && site.facts.cpu_milli == now->cpu_milli &&
                    site.facts.memory == now->memory;
  const auto zone = [](const NodeFacts& facts) {
    const auto at = facts.labels.find("topology.kubernetes.io/zone");
    return at == facts.labels.end() ? std::string() : at->second;
  };
  structure_ = structure_ || !same || zone(site.facts) != zone(*now);
  site.known = now != nullptr;
  site.facts = now == nullptr ? NodeFacts{} : *now;
  dirty_sites_.insert(name);
  if (!pools_.empty()) find_pools(name);
  if (now == nullptr && site.cards.empty()) sites_.erase(name);
}

void World::slice(const std::string& name, Shared<CardSlice> now) {
  ++changes_;
  std::set<std::string> pools;
  if (const auto at = slices_.find(name); at != slices_.end()) {
    pools.insert(at->second->pool);
    drop(&slices_of_, at->second->pool, name);
    slices_.erase(at);
  }
  if (now != nullptr) {
    pools.insert(now->pool);
    slices_of_[now->pool].insert(name);
    slices_[name] = now;
  }
  for (const std::string& pool : pools) {
    std::vector<const CardSlice*> of;
    if (const auto names = slices_of_.find(pool); names != slices_of_.end())
      for (const std::string& other : names->second) of.push_back(slices_.at(other).get());
    // A pool is a node's own; what names another node, or none, is nobody's card here.
    std::vector<std::shared_ptr<const Card>> cards = cards_of(of);
    std::erase_if(cards, [&](const auto& card) { return card->node != pool; });
    if (cards.size() > static_cast<size_t>(sched::kMaxCards)) cards.resize(sched::kMaxCards);
    Site& site = sites_[pool];
    const bool same = std::equal(cards.begin(), cards.end(), site.cards.begin(), site.cards.end(),
                                 [](const auto& a, const auto& b) {
                                   return a->name == b->name && a->memory() == b->memory() &&
                                          a->model() == b->model() &&
                                          a->ncu_milli() == b->ncu_milli();
                                 });
    structure_ = structure_ || !same;
    site.cards = std::move(cards);
    dirty_sites_.insert(pool);
    if (!pools_.empty()) find_pools(pool);
    if (!site.known && site.cards.empty()) sites_.erase(pool);
  }
}

void World::mark_leases(const std::string& claim_uid) {
  if (!marks_) return;
  if (const auto of = leases_of_.find(claim_uid); of != leases_of_.end())
    for (const std::string& lease : of->second) mark("@lease:" + lease);
}

void World::claim(const std::string& key, Shared<ClaimFacts> now) {
  ++changes_;
  touch_claim(key);
  const auto known = now == nullptr ? claims_.find(key) : claims_.try_emplace(key).first;
  if (known == claims_.end()) return;
  if (const Shared<ClaimFacts> before = known->second; before != nullptr) {
    for (const Given& given : before->given) drop(&claims_on_, given.pool, key);
    claim_of_uid_.erase(before->uid);
    mark_leases(before->uid);
    if (now == nullptr || now->uid != before->uid) see_claim(before->uid, nullptr);
    if (now == nullptr) claims_.erase(known);
  }
  if (now == nullptr) return;
  known->second = now;
  claim_of_uid_[now->uid] = &*known;
  see_claim(now->uid, now.get());
  for (const Given& given : now->given) claims_on_[given.pool].insert(key);
  mark_leases(now->uid);
  touch_claim(key);
}

void World::lease(const std::string& key, Shared<kube::Lease> now) {
  ++changes_;
  if (marks_) mark("@lease:" + key);
  const auto known = now == nullptr ? leases_.find(key) : leases_.try_emplace(key).first;
  const Shared<kube::Lease> before = known == leases_.end() ? nullptr : known->second;
  see_lease(key, before.get(), now.get());
  if (before != nullptr) {
    drop(&leases_on_, before->spec.pool, key);
    drop(&leases_on_, before->spec.target.pool, key);
    if (const auto aimed = aims_.find(key); aimed != aims_.end())
      drop(&leases_on_, aimed->second.aim.target.pool, key);
    if (unseen_.count(key) == 0) drop(&leases_of_, before->spec.claim.uid, key);
    if (now == nullptr) leases_.erase(known);
  }
  if (now != nullptr) known->second = now;
  if (const auto aimed = aims_.find(key); aimed != aims_.end())
    if (now == nullptr ||
        (aimed->second.generation > 0 && now->generation >= aimed->second.generation))
      aims_.erase(aimed);
  if (now == nullptr) return;
  leases_on_[now->spec.pool].insert(key);
  if (!now->spec.target.empty()) leases_on_[now->spec.target.pool].insert(key);
  if (const auto aimed = aims_.find(key); aimed != aims_.end() && !aimed->second.aim.target.empty())
    leases_on_[aimed->second.aim.target.pool].insert(key);
  leases_of_[now->spec.claim.uid].insert(key);
  if (const ClaimAt* claim = claim_with(now->spec.claim.uid); claim != nullptr)
    touch_claim(claim->first);
}

void World::device_class(const std::string& name, const ClassFacts* now) {
  ++changes_;
  classes_.erase(name);
  if (now != nullptr) classes_[name] = *now;
  for (const auto& [key, facts] : claims_) touch_claim(key);
}

void World::volume(const std::string& name, const VolumeFacts* now) {
  ++changes_;
  volumes_.erase(name);
  if (now != nullptr) volumes_[name] = *now;
  for (auto& [key, fit] : fits_)
    if (!fit.volumes.empty()) structure_ = true;
}

void World::volume_claim(const std::string& key, const VolumeClaimFacts* now) {
  ++changes_;
  volume_claims_.erase(key);
  if (now != nullptr) volume_claims_[key] = *now;
  for (auto& [name, fit] : fits_)
    structure_ = structure_ || std::count(fit.volumes.begin(), fit.volumes.end(), key) != 0;
}

void World::queues(std::vector<model::Queue> queues, std::map<std::string, std::string> wrong) {
  queues_ = std::move(queues);
  wrong_queues_ = std::move(wrong);
  structure_ = true;
}

void World::direct_allowed(const std::string& ns, bool allowed) {
  const bool before = direct_.count(ns) != 0;
  if (before == allowed) return;
  if (allowed)
    direct_.insert(ns);
  else
    direct_.erase(ns);
  for (const auto& [key, pod] : pods_)
    if (pod->ns == ns) touch_pod(key);
}

void World::assume(const PodPlace& place) {
  forget(place.pod);
  for (const Award& award : place.awards) {
    assumed_claims_[award.claim] = place.pod;
    for (const Given& given : award.given) assumed_on_[given.pool].insert(award.claim);
    touch_claim(award.claim);
  }
  assumed_[place.pod] = place;
  touch_pod(place.pod);
}

void World::forget(const std::string& pod) {
  const auto at = assumed_.find(pod);
  if (at == assumed_.end()) return;
  for (const Award& award : at->second.awards) {
    mark_leases(award.claim_uid);
    assumed_claims_.erase(award.claim);
    for (const Given& given : award.given) drop(&assumed_on_, given.pool, award.claim);
    touch_claim(award.claim);
  }
  assumed_.erase(at);
  touch_pod(pod);
}

void World::confirm(const std::string& key) {
  const auto at = assumed_claims_.find(key);
  if (at == assumed_claims_.end()) return;
  const std::string pod = at->second;
  for (const Award& award : assumed_.at(pod).awards) {
    const ClaimFacts* facts = claim(award.claim);
    if (facts == nullptr || facts->uid != award.claim_uid || !facts->allocated) return;
  }
  forget(pod);
}

bool World::gang_gathers(const std::string& key) const {
  const PodFacts* p = pod(key);
  if (p == nullptr || p->wish == nullptr || p->wish->gang_size < 2) return false;
  size_t there = 0;
  for (const std::string& one : companions(key)) {
    const PodFacts& other = *pods_.at(one);
    there += !other.node.empty() || other.finished;
  }
  return there < p->wish->gang_size;
}

std::vector<std::string> World::gathered() const {
  std::vector<std::string> all;
  for (const std::string& key : held_leases_) {
    const kube::Lease* l = lease(key);
    if (l != nullptr && !gang_gathers(l->ns + "/" + l->spec.pod.name)) all.push_back(key);
  }
  return all;
}

std::set<std::string> World::companions(const std::string& key) const {
  const PodFacts* p = pod(key);
  if (p == nullptr) return {};
  const auto at = pods_of_gang_.find(unit_of(key, *p));
  return at == pods_of_gang_.end() ? std::set<std::string>{key} : at->second;
}

void World::passed(const std::string& unit, uint32_t times) {
  const auto at = units_.find(unit);
  if (at == units_.end() || times == 0) return;
  at->second.passed_over += times;
  dirty_units_.insert(unit);
}

void World::forget_misfits() {
  std::erase_if(misfits_, [this](const std::string& unit) {
    const auto at = units_.find(unit);
    if (at == units_.end()) return true;
    UnitState& state = at->second;
    if (!state.excluded.empty() && state.excluded_at == changes_) return false;
    if (state.excluded.empty()) return true;
    state.excluded.clear();
    state.excluded_at = changes_;
    dirty_units_.insert(unit);
    return true;
  });
}

std::vector<std::string> World::assumptions() const {
  std::vector<std::string> pods;
  for (const auto& [pod, place] : assumed_) pods.push_back(pod);
  return pods;
}

const PodPlace* World::assumption(const std::string& pod) const {
  const auto at = assumed_.find(pod);
  return at == assumed_.end() ? nullptr : &at->second;
}

void World::avoid(const std::string& pod, const std::string& node, int64_t until_ms) {
  avoided_[pod][node] = until_ms;
  touch_pod(pod);
}

int64_t World::gang_timeout(const std::string& unit) const {
  const auto pods = pods_of_gang_.find(unit);
  if (pods == pods_of_gang_.end()) return 0;
  return pods_.at(*pods->second.begin())->wish->gang_timeout_s * 1000;
}

std::vector<std::string> World::overdue() {
  std::vector<std::string> pods;
  for (auto& [unit, since] : gang_since_) {
    if (now_ms_ < since + gang_timeout(unit)) continue;
    since = now_ms_;
    const auto members = pods_of_gang_.find(unit);
    if (members != pods_of_gang_.end())
      pods.insert(pods.end(), members->second.begin(), members->second.end());
  }
  return pods;
}

std::vector<std::string> World::orphans() {
  std::vector<std::string> due;
  for (auto& [key, since] : orphans_)
    if (now_ms_ >= since + kOrphaned) {
      since = now_ms_;
      due.push_back(key);
    }
  return due;
}

int64_t World::next_ms() const {
  int64_t first = 0;
  for (const auto& [pod, nodes] : avoided_)
    for (const auto& [node, until] : nodes)
      if (first == 0 || until < first) first = until;
  for (const auto& [pod, until] : spared_)
    if (first == 0 || until < first) first = until;
  for (const auto& [lease, since] : departing_)
    if (const int64_t end = since + kDeparts; first == 0 || end < first) first = end;
  for (const auto& [lease, since] : orphans_)
    if (const int64_t end = since + kOrphaned; first == 0 || end < first) first = end;
  for (const std::string& unit : resting_)
    if (const auto at = units_.find(unit); at != units_.end())
      if (const int64_t end = at->second.rests_until; first == 0 || end < first) first = end;
  for (const auto& [unit, since] : gang_since_)
    if (const int64_t end = since + gang_timeout(unit); first == 0 || end < first) first = end;
  return first;
}

bool World::dirty() const { return structure_ || !dirty_units_.empty() || !dirty_sites_.empty(); }

int64_t World::ncu_of_card(const std::string& pool, const std::string& name) const {
  if (const auto site = sites_.find(pool); site != sites_.end())
    for (const auto& card : site->second.cards)
      if (card->name == name && card->ncu_milli() > 0) return card->ncu_milli();
  return 1000;
}

size_t World::cards() const {
  size_t count = 0;
  for (const auto& [name, site] : sites_) count += site.cards.size();
  return count;
}

}  // namespace flexai::control
