// What runs, by its leases: what it takes now, what it is to take, what may be done to it.
#include <algorithm>

#include "control/json_parts.h"
#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {
namespace {

using kube::Lease;
using kube::LeasePhase;
using kube::LeaseState;
using model::Workload;

struct Taken {
  int64_t compute = 0, memory = 0;
};

Taken taken_by(LeaseState state, int64_t compute, int64_t memory) {
  if (state == LeaseState::kSuspended || state == LeaseState::kReleased) return {};
  return {state == LeaseState::kShared ? 0 : compute, memory};
}

// By what the agent says. Of what failed it has said what is left.
Taken taken_by(const kube::LeaseStatus& status) {
  const auto compute = int64_t{status.compute_milli};
  const auto memory = static_cast<int64_t>(status.memory_bytes);
  switch (status.phase) {
    case LeasePhase::kPending:
    case LeasePhase::kSuspended:
    case LeasePhase::kReleased:
    case LeasePhase::kMoved:
      return {};
    case LeasePhase::kShared:
      return {0, memory};
    case LeasePhase::kRunning:
    case LeasePhase::kFailed:
    case LeasePhase::kMoving:
      break;
  }
  return {compute, memory};
}

Taken more_of(const Taken& a, const Taken& b) {
  return {std::max(a.compute, b.compute), std::max(a.memory, b.memory)};
}

const std::string kCompute = qualified(kube::kComputeCapacity, kube::kDriverName);
const std::string kMemory = qualified(kube::kMemoryCapacity, kube::kDriverName);

bool within(const CardState& state, const Amounts& more) {
  if (!state.card->shared) return !state.taken;
  for (const auto& [name, amount] : more) {
    const auto whole = state.card->capacities.find(name);
    const auto used = state.used.find(name);
    if (whole == state.card->capacities.end()) return false;
    const Amount sum = used == state.used.end() ? amount : used->second + amount;
    if (sum.nano > whole->second.whole.nano) return false;
  }
  return true;
}

}  // namespace

LeaseAim World::aim_of(const Lease& lease) const {
  if (!aims_.empty())
    if (const auto at = aims_.find(lease.ns + "/" + lease.name); at != aims_.end())
      return at->second.aim;
  return {lease.spec.compute_milli, lease.spec.state, lease.spec.target};
}

bool World::settled(const Lease& l) const {
  return aims_.count(l.ns + "/" + l.name) == 0 && l.has_status && l.spec.target.empty() &&
         l.status.observed_generation >= l.generation &&
         l.status.phase == kube::phase_of(l.spec.state) &&
         (l.spec.state != LeaseState::kRunning || l.status.compute_milli <= l.spec.compute_milli);
}

// From what was admitted to what it is: now everything that it may still have counts.
void World::reduce(const Lease& l, View view, Amounts* consumed) const {
  const auto memory_bytes = static_cast<int64_t>(l.spec.memory_bytes);
  const auto spec = [&](const LeaseAim& of) {
    return taken_by(of.state, of.compute, memory_bytes);
  };
  const LeaseAim aim = aim_of(l);
  Taken taken = spec(aim);
  if (view == View::kNow) {
    taken = more_of(taken, spec({l.spec.compute_milli, l.spec.state}));
    if (l.has_status && l.status.phase != LeasePhase::kPending)
      taken = more_of(taken, taken_by(l.status));
    else if (l.generation > 1 && (!l.has_status || l.status.observed_generation < l.generation))
      return;  // who knows what its agent has read
  }
  const auto lower = [&](const std::string& name, int64_t to) {
    const auto at = consumed->find(name);
    if (at != consumed->end()) at->second = std::min(at->second, Amount::whole(to));
  };
  lower(kCompute, taken.compute);
  lower(kMemory, taken.memory);
}

bool World::left(const Lease& l, const ClaimAt* claim) {
  if (l.has_status && l.status.phase == LeasePhase::kReleased) return false;
  return claim == nullptr ||
         std::none_of(claim->second->given.begin(), claim->second->given.end(),
                      [&](const Given& given) { return given.share_id == l.spec.share_id; });
}

std::vector<World::Grant> World::left_by(const std::string& key) const {
  const Lease* l = lease(key);
  if (l == nullptr || !left(*l, claim_with(l->spec.claim.uid))) return {};
  const Taken status = l->has_status ? taken_by(l->status) : Taken{};
  const Taken taken = more_of(status, taken_by(l->spec.state, l->spec.compute_milli,
                                               static_cast<int64_t>(l->spec.memory_bytes)));
  Grant left;
  left.pool = l->spec.pool;
  left.card = l->spec.device;
  left.consumed = {{kCompute, Amount::whole(taken.compute)},
                   {kMemory, Amount::whole(taken.memory)}};
  if (l->spec.target.empty()) return {std::move(left)};
  Grant there = left;
  there.pool = l->spec.target.pool;
  there.card = l->spec.target.device;
  return {std::move(left), std::move(there)};
}

void World::look_after_lease(const std::string& key, const Lease* l, const ClaimAt* claim) {
  stale_leases_.erase(key);
  refused_.erase(key);
  held_leases_.erase(key);
  landed_.erase(key);
  look_after_move(key, l);
  if (l == nullptr || l->deleting || claim != nullptr)
    orphans_.erase(key);
  else
    orphans_.try_emplace(key, now_ms_);
  if (l == nullptr || l->deleting) return;
  if (l->spec.hold) held_leases_.insert(key);
  if (claim != nullptr && left(*l, claim)) stale_leases_.insert(key);
  // It failed to give up what it holds; what it could not take it goes on trying for.
  const bool gives = l->spec.state != LeaseState::kRunning || !l->spec.target.empty() ||
                     l->status.compute_milli > l->spec.compute_milli;
  if (l->has_status && l->status.phase == LeasePhase::kFailed && gives &&
      l->status.compute_milli > 0 && l->status.observed_generation >= l->generation &&
      l->spec.state != LeaseState::kReleased && aims_.count(key) == 0)
    refused_.insert(key);
}

kube::SliceConfig World::config_of(const Member& member, const Grant& grant) const {
  for (const ClaimFacts* facts : member.claims) {
    if (facts == nullptr || !ours(*facts)) continue;
    for (const auto& ways : facts->requests)
      for (const Request& way : ways) {
        const ClassFacts* of = class_of(way.device_class);
        if (way.name != grant.request || of == nullptr ||
            (of->config.empty() && facts->config.empty()))
          continue;
        if (auto config = config_for(*of, *facts, way); config.ok()) return *config;
      }
  }
  return {};
}

std::string World::fit_on_card(const std::string& node, const Grant& grant) {
  const std::string text = dump(Json::array({"only", node, grant.pool, grant.card}));
  const auto known = fits_.find(text);
  if (known != fits_.end()) return known->second.name;
  FitRecord& fit = fits_[text];
  fit.name = "f" + std::to_string(next_fit_++);
  fit_names_[fit.name] = text;
  fit.processor = node;
  fit.pool = grant.pool;
  fit.card = grant.card;
  compute(&fit);
  return fit.name;
}

Workload World::with_handle(const Member& member, const Grant& grant, bool may_act, Workload piece,
                            std::vector<Workload>* out) {
  const Lease& l = *grant.lease;
  const LeaseAim aim = aim_of(l);
  const kube::SliceConfig config = config_of(member, grant);
  const bool given =
      l.has_status && !l.deleting &&
      (l.status.phase == LeasePhase::kRunning || l.status.phase == LeasePhase::kShared ||
       l.status.phase == LeasePhase::kSuspended);
  const bool stays = aim.target.empty() && l.spec.target.empty();
  const bool elastic = config.qos == model::Qos::kElastic;
  const bool suspended = aim.state == LeaseState::kSuspended;
  if (may_act && given && stays) {
    const auto least = static_cast<int32_t>(config.least_milli);
    if (elastic && least > 0 && least < piece.card_milli) piece.card_milli_least = least;
    piece.can_share = config.share && piece.card_milli > 0;
    piece.can_suspend = config.suspend;
    if (l.status.used_milli && !suspended)
      piece.observed_milli = static_cast<int32_t>(std::min<uint32_t>(*l.status.used_milli, 1000));
  }
  if (aim.state == LeaseState::kShared)
    piece.granted_milli = 0;
  else if (static_cast<int32_t>(aim.compute) < piece.card_milli)
    piece.granted_milli = static_cast<int32_t>(aim.compute);
  if (may_act && given && stays && may_move(l, config)) {
    piece.fit = fit_to_move(member.pod, grant);
    piece.can_move = !piece.fit.empty();
    piece.locality = model::Locality::kPreferLocal;
    piece.remote_penalty = options_.remote_penalty;
    remember_move(grant, &piece);
  }
  if (!piece.can_suspend && !piece.can_move && !suspended) return piece;
  // Who is suspended stays where he is with all but the card.
  Workload rest;
  rest.name = "@rest:" + piece.name;
  rest.state = model::WorkState::kRunning;
  rest.preemptible = rest.can_restart = false;
  rest.queue = piece.queue;
  rest.cpu_milli = piece.cpu_milli;
  rest.memory_mib = piece.memory_mib;
  const std::string node = piece.places[0].node;
  rest.places = {{node, "", {}}};
  piece.cpu_milli = piece.memory_mib = 0;
  out->push_back(std::move(rest));
  if (!suspended) return piece;
  piece.state = model::WorkState::kSuspended;
  piece.places.clear();
  piece.granted_milli = -1;
  piece.locality = model::Locality::kPreferLocal;
  piece.fit = fit_on_card(node, grant);
  return piece;
}

const Lease* World::handle_of(const std::string& key) const {
  const PodFacts* p = pod(key);
  const Lease* only = nullptr;
  if (p == nullptr) return nullptr;
  for (const ClaimFacts* facts : our_claims(*p))
    for (const Grant& grant : grants_of(facts->ns + "/" + facts->name, facts, View::kNow)) {
      if (grant.admin || grant.lease == nullptr) return nullptr;
      if (only != nullptr && only != grant.lease) return nullptr;
      only = grant.lease;  // on its way it holds two cards
    }
  return only;
}

bool World::suspended(const std::string& pod) const {
  const Lease* l = handle_of(pod);
  return l != nullptr && aim_of(*l).state == LeaseState::kSuspended;
}

bool World::has_room(const PodPlace& place) const {
  std::map<std::string, std::vector<CardState>> nodes;
  for (const Award& award : place.awards)
    for (const Given& given : award.given) {
      if (given.admin) continue;
      if (nodes.count(given.pool) == 0) nodes[given.pool] = states_of(given.pool, {}, place.pod);
      bool found = false;
      for (CardState& state : nodes[given.pool]) {
        if (state.card->name != given.card) continue;
        if (!within(state, given.consumed)) return false;
        for (const auto& [name, amount] : given.consumed)
          state.used[name] = state.used[name] + amount;
        found = true;
      }
      if (!found) return false;
    }
  return true;
}

bool World::has_room(const Lease& l, const LeaseAim& aim) const {
  const auto memory = static_cast<int64_t>(l.spec.memory_bytes);
  if (!aim.target.empty()) {
    const Amounts all{{kCompute, Amount::whole(aim.compute)}, {kMemory, Amount::whole(memory)}};
    for (const CardState& state : states_of(aim.target.pool))
      if (state.card->name == aim.target.device) return within(state, all);
    return false;
  }
  const Taken now = [&] {
    Amounts had{{kCompute, Amount::whole(1000)}, {kMemory, Amount::whole(memory)}};
    reduce(l, View::kNow, &had);
    return Taken{had[kCompute].value(), had[kMemory].value()};
  }();
  const Taken then = taken_by(aim.state, aim.compute, memory);
  const Amounts more{{kCompute, Amount::whole(std::max<int64_t>(0, then.compute - now.compute))},
                     {kMemory, Amount::whole(std::max<int64_t>(0, then.memory - now.memory))}};
  for (const CardState& state : states_of(l.spec.pool))
    if (state.card->name == l.spec.device) return within(state, more);
  return false;
}

void World::aim(const std::string& key, const LeaseAim& aim) {
  aims_[key] = {aim, 0};
  if (!aim.target.empty()) leases_on_[aim.target.pool].insert(key);
  const Lease* l = lease(key);
  dirty_units_.insert("@lease:" + key);
  if (l == nullptr) return;
  if (const auto at = claim_of_uid_.find(l->spec.claim.uid); at != claim_of_uid_.end())
    touch_claim(at->second->first);
}

void World::aimed(const std::string& key, int64_t generation) {
  const auto at = aims_.find(key);
  if (at == aims_.end()) return;
  const Lease* l = lease(key);
  if (generation > 0 && l != nullptr && l->generation < generation) {
    at->second.generation = generation;
    return;
  }
  if (const std::string pool = at->second.aim.target.pool;
      !pool.empty() && (l == nullptr || (l->spec.pool != pool && l->spec.target.pool != pool)))
    leases_on_[pool].erase(key);
  aims_.erase(at);
  ++changes_;
  dirty_units_.insert("@lease:" + key);
  if (l == nullptr) return;
  if (const auto claim = claim_of_uid_.find(l->spec.claim.uid); claim != claim_of_uid_.end())
    touch_claim(claim->second->first);
}

void World::leave(const std::string& key) {
  leaving_.insert(key);
  touch_pod(key);
}

void World::spare(const std::string& key, int64_t until_ms) {
  leaving_.erase(key);
  spared_[key] = until_ms;
  ++changes_;
  touch_pod(key);
}

}  // namespace flexai::control
