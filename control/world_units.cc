// Units as workloads of the scheduler core: what waits, what holds cards, what others take.
#include <algorithm>

#include "control/reason_code.h"
#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {
namespace {

using base::Code;
using base::fail;
using model::Workload;

constexpr int64_t kMib = 1 << 20;
constexpr const char* kTooLong =
    "its combination of requests takes too long to find; it is tried again later";

int32_t mib_up(int64_t bytes) {
  return static_cast<int32_t>(std::min<int64_t>((bytes + kMib - 1) / kMib, 1'000'000'000));
}

int32_t small(int64_t value, int64_t most) {
  return static_cast<int32_t>(std::clamp<int64_t>(value, 0, most));
}

const std::string kCompute = qualified(kube::kComputeCapacity, kube::kDriverName);
const std::string kMemory = qualified(kube::kMemoryCapacity, kube::kDriverName);

const Amount* amount_in(const Amounts& amounts, const std::string& name) {
  const auto at = amounts.find(name);
  return at == amounts.end() ? nullptr : &at->second;
}

// Thousandths of the card: of what it has most taken of, when it does not say how it is shared.
int32_t milli_of(const Card& card, const Amounts& consumed) {
  if (!card.shared) return 1000;
  const auto part = [](Amount taken, Amount whole) {
    if (whole.nano <= 0) return 0;
    return static_cast<int>(
        std::min<Amount::Wide>(1000, (taken.nano * 1000 + whole.nano - 1) / whole.nano));
  };
  int most = 0;
  for (const auto& [name, amount] : consumed) {
    const auto whole = card.capacities.find(name);
    if (whole == card.capacities.end()) continue;
    if (name == kCompute) return std::max(1, part(amount, whole->second.whole));
    most = std::max(most, part(amount, whole->second.whole));
  }
  return std::max(1, most);
}

int32_t memory_of(const Card& card, const Amounts& consumed) {
  if (!card.shared) return static_cast<int32_t>(card.memory() / kMib);
  const Amount* memory = amount_in(consumed, kMemory);
  return memory == nullptr ? 0 : mib_up(memory->value());
}

// The least that one of these ways needs of a card.
struct Need {
  int32_t milli = 1000;
  int64_t memory = 0;
  int64_t cards = 1;
  bool admin = false;
};
Need need_of(const std::vector<Request>& ways) {
  Need least;
  for (size_t i = 0; i < ways.size(); ++i) {
    const Request& way = ways[i];
    const Amount* compute = amount_in(way.asked, kCompute);
    const Amount* memory = amount_in(way.asked, kMemory);
    Need need;
    need.milli = compute == nullptr ? 1000 : std::max(1, small(compute->value(), 1001));
    need.memory = memory == nullptr ? 0 : memory->value();
    need.cards = way.all ? 1 : way.count;
    need.admin = way.admin;
    if (i == 0) least = need;
    least.milli = std::min(least.milli, need.milli);
    least.memory = std::min(least.memory, need.memory);
    least.cards = std::min(least.cards, need.cards);
    least.admin = least.admin && need.admin;
  }
  return least;
}

// Several pieces as the core can be told of them: never as more than they need, or it would see no
// room where there is some. Those that are whole cards are different cards, each as large as the
// smallest of them at least; of parts, some card must have room for the largest.
void tell(const std::vector<Need>& needs, Workload* w) {
  int64_t all = 0, whole = 0, memory = 0;
  const Need* largest = nullptr;
  for (const Need& need : needs) {
    all += need.cards;
    if (largest == nullptr ||
        std::pair(need.milli, need.memory) > std::pair(largest->milli, largest->memory))
      largest = &need;
    if (need.milli < 1000) continue;
    memory = whole == 0 ? need.memory : std::min(memory, need.memory);
    whole += need.cards;
  }
  if (largest == nullptr) return;
  w->cards = static_cast<uint32_t>(whole > 0 ? std::min<int64_t>(whole, sched::kMaxCards) : 1);
  w->card_milli = whole > 0 ? 1000 : largest->milli;
  w->card_memory_mib = mib_up(whole > 0 ? memory : largest->memory);
  if (all != 1) w->can_share = w->can_suspend = w->can_move = false;
}

}  // namespace

// Of the claim itself, or of what it is assumed to get.
std::vector<World::Grant> World::grants_of(const std::string& key, const ClaimFacts* facts,
                                           View view) const {
  std::vector<Grant> grants;
  if (facts == nullptr) return grants;
  const std::vector<Given>* given = facts->allocated ? &facts->given : nullptr;
  if (given == nullptr)
    if (const auto at = assumed_claims_.find(key); at != assumed_claims_.end())
      for (const Award& award : assumed_.at(at->second).awards)
        if (award.claim == key) given = &award.given;
  if (given == nullptr) return grants;
  if (view == View::kPlanned && !leaving_.empty() && leaving(holder_of(key, *facts))) return grants;
  for (size_t i = 0; i < given->size(); ++i) {
    const Given& g = (*given)[i];
    if (!g.ours) continue;
    Grant grant{g.pool, g.card, g.consumed, g.admin, nullptr, g.request, &g.consumed};
    const kube::Lease* held = lease(facts->ns + "/" + kube::lease_name(facts->uid, i));
    if (held != nullptr && held->spec.share_id == g.share_id) {
      grant.lease = held;
      reduce(*held, view, &grant.consumed);
      grant.pool = held->spec.pool;  // the claim knows only where it was first
      grant.card = held->spec.device;
      const auto at = [&grant](const kube::LeaseTarget& target) {
        Grant there = grant;
        there.pool = target.pool;
        there.card = target.device;
        return there;
      };
      const kube::LeaseTarget to = aim_of(*held).target;
      const kube::LeaseTarget& told = held->spec.target;
      if (view == View::kNow && !to.empty()) grants.push_back(at(to));
      if (view == View::kNow && !told.empty() && !(told == to)) grants.push_back(at(told));
      if (view == View::kPlanned && !to.empty()) grant = at(to);
    }
    grants.push_back(std::move(grant));
  }
  return grants;
}

// One workload a card, or one for several whole cards of a node. `node`: where the program runs;
// empty: where the card is.
std::vector<Workload> World::pieces_of(const std::string& name, const std::vector<Grant>& grants,
                                       const std::string& node) const {
  std::map<std::pair<std::string, uint32_t>, std::pair<int32_t, int32_t>> taken;
  for (const Grant& grant : grants) {
    const auto site = sites_.find(grant.pool);
    if (grant.admin || site == sites_.end()) continue;
    for (uint32_t i = 0; i < site->second.cards.size(); ++i) {
      const Card& card = *site->second.cards[i];
      if (card.name != grant.card) continue;
      auto& [milli, memory] = taken[{grant.pool, i}];
      milli = std::min(1000, milli + milli_of(card, grant.consumed));
      memory += memory_of(card, grant.consumed);
    }
  }
  std::vector<Workload> pieces;
  for (const auto& [at, amount] : taken) {
    const auto& [pool, card] = at;
    if (!pieces.empty() && amount.first == 1000 && pieces.back().card_milli == 1000 &&
        (pieces.back().places[0].card_node == pool || pieces.back().places[0].node == pool)) {
      ++pieces.back().cards;
      pieces.back().card_memory_mib = std::max(pieces.back().card_memory_mib, amount.second);
      pieces.back().places[0].cards.push_back(card);
      continue;
    }
    Workload w;
    w.name = pieces.empty() ? name : name + "#" + std::to_string(pieces.size());
    w.cards = 1;
    w.card_milli = amount.first;
    w.card_memory_mib = amount.second;
    w.state = model::WorkState::kRunning;
    w.preemptible = w.can_restart = false;
    w.places = {{node.empty() ? pool : node, node.empty() || node == pool ? "" : pool, {card}}};
    pieces.push_back(std::move(w));
  }
  return pieces;
}

Workload World::other_pods(const std::string& node) const {
  Workload w;
  w.name = "@node:" + node;
  w.state = model::WorkState::kRunning;
  w.preemptible = w.can_restart = false;
  int64_t cpu = 0, memory = 0;
  if (const auto on = pods_on_.find(node); on != pods_on_.end())
    for (const std::string& key : on->second) {
      const PodFacts& p = *pods_.at(key);
      bool holds = false;
      if (p.wants_cards())
        for (const PodClaim& one : p.wish->claims) {
          const ClaimFacts* facts = claim(p.ns + "/" + one.claim);
          holds = holds || (facts != nullptr && ours(*facts) && held_by(key, p, *facts));
        }
      if (holds) continue;
      cpu += p.cpu_milli;
      memory += p.memory;
    }
  w.cpu_milli = small(cpu, 10'000'000);
  w.memory_mib = mib_up(memory);
  w.places = {{node, "", {}}};
  return w;
}

base::Result<std::vector<Asking>> World::asking_of(const PodFacts& p) const {
  std::vector<Asking> asking;
  for (const PodClaim& one : p.wish->claims) {
    if (one.claim.empty())
      return fail(Code::kUnavailable, "its claim " + one.name + " has not been made yet");
    const ClaimFacts* facts = claim(p.ns + "/" + one.claim);
    if (facts == nullptr)
      return fail(Code::kUnavailable, "its claim " + one.claim + " is not there");
    if (!ours(*facts) || facts->allocated) continue;
    const std::string what = "claim " + facts->name + ": ";
    if (facts->deleting) return fail(Code::kUnavailable, what + "it is being deleted");
    if (!facts->wrong.empty()) return fail(Code::kUnsupported, what + facts->wrong);
    Asking a;
    a.claim = facts;
    for (const auto& ways : facts->requests) {
      a.classes.emplace_back();
      for (const Request& way : ways) {
        const ClassFacts* of = class_of(way.device_class);
        if (of == nullptr)
          return fail(Code::kNotFound, what + "class " + way.device_class + " is not there");
        if (!of->wrong.empty()) return fail(Code::kUnsupported, what + of->wrong);
        if (!of->ours && std::find(options_.classes.begin(), options_.classes.end(), of->name) ==
                             options_.classes.end())
          return fail(Code::kUnsupported,
                      what + "request " + way.name + " is of class " + of->name +
                          ", which Flexai does not place; put it into a claim of its own");
        for (const std::string* pool : {&of->pool, &way.pool})
          if (const base::Status there = check_pool(*pool); !there.ok())
            return fail(there.error().code, what + there.error().message);
        a.classes.back().push_back(of);
      }
    }
    asking.push_back(std::move(a));
  }
  return asking;
}

// Sizes and wishes of the requests, as far as the core can express them.
base::Status World::understand(const PodFacts& p, const std::vector<Asking>& asking,
                               Workload* w) const {
  std::vector<Need> needs;
  w->locality = model::Locality::kPreferLocal;
  w->remote_penalty = options_.remote_penalty;
  w->can_share = w->can_suspend = w->can_move = !asking.empty();
  int32_t least = 0;
  for (const Asking& one : asking)
    for (size_t r = 0; r < one.claim->requests.size(); ++r) {
      const auto& ways = one.claim->requests[r];
      for (size_t way = 0; way < ways.size(); ++way) {
        const auto config = config_for(*one.classes[r][way], *one.claim, ways[way]);
        if (!config.ok())
          return fail(Code::kInvalid, "claim " + one.claim->name + ": request " + ways[way].name +
                                          ": " + config.error().message);
        const bool direct = config->isolation == kube::Isolation::kDirect;
        if (direct && direct_.count(p.ns) == 0)
          return fail(Code::kDenied, "claim " + one.claim->name +
                                         ": isolation direct needs the label " +
                                         kube::kDirectLabel + "=allowed on namespace " + p.ns);
        if (direct || config->reach == kube::Reach::kLocal) w->locality = model::Locality::kLocal;
        w->can_share = w->can_share && config->share;
        w->can_suspend = w->can_suspend && config->suspend;
        w->can_move = w->can_move && config->move;
        if (way == 0) least = static_cast<int32_t>(config->least_milli);
      }
      const Need need = need_of(ways);
      if (need.admin) continue;
      if (need.milli > 1000)
        return fail(Code::kInvalid, "claim " + one.claim->name + ": request " + ways[0].name +
                                        " asks for more compute than a card has, 1000");
      needs.push_back(need);
    }
  tell(needs, w);
  const bool one = needs.size() == 1 && needs[0].cards == 1;
  if (one && least > 0 && least < w->card_milli) w->card_milli_least = least;
  if (w->cards == 0) w->can_share = w->can_suspend = false;
  return {};
}

base::Result<Workload> World::ask_for(const std::string& key, UnitState* state) {
  const PodFacts& p = *pods_.at(key);
  Workload w;
  w.name = key;
  if (!p.wish->wrong.empty()) return fail(Code::kInvalid, p.wish->wrong);
  const bool known = std::any_of(queues_.begin(), queues_.end(),
                                 [&](const model::Queue& q) { return q.name == p.wish->queue; });
  if (const auto wrong = wrong_queues_.find(p.wish->queue); wrong != wrong_queues_.end())
    return fail(Code::kInvalid, "queue " + p.wish->queue + ": " + wrong->second);
  if (!known) return fail(Code::kNotFound, "queue " + p.wish->queue + " is not there");
  w.queue = p.wish->queue;
  FLEXAI_TRY_ASSIGN(const std::vector<Asking> asking, asking_of(p));
  FLEXAI_TRY(understand(p, asking, &w));
  w.cpu_milli = small(p.cpu_milli, 10'000'000);
  w.memory_mib = mib_up(p.memory);
  w.priority = p.wish->priority;
  w.preemptible = p.wish->may_be_preempted;
  w.submitted_ms = std::max<int64_t>(0, p.created_s * 1000);
  w.passed_over = state->passed_over;
  state->avoided.clear();
  if (const auto avoided = avoided_.find(key); avoided != avoided_.end())
    for (const auto& [node, until] : avoided->second)
      if (until > now_ms_) state->avoided.insert(node);
  w.fit = fit_for(p, asking, *state);
  return w;
}

void World::add_waiting(const std::string& unit, std::vector<std::string> pods,
                        std::vector<Workload>* out) {
  UnitState& state = units_[unit];
  state.waiting = std::move(pods);
  state.trouble.clear();
  state.fit.clear();
  if (state.waiting.empty()) return;
  const PodFacts& first = *pods_.at(state.waiting.front());
  const bool gang = unit != state.waiting.front();
  size_t there = 0;
  if (const auto at = pods_of_gang_.find(unit); gang && at != pods_of_gang_.end())
    for (const std::string& key : at->second) there += !pods_.at(key)->finished;
  if (gang && there < first.wish->gang_size) {
    state.trouble = "GangIncomplete: gang " + first.wish->gang + ": " + std::to_string(there) +
                    " of " + std::to_string(first.wish->gang_size) + " members are there";
    return;
  }
  if (state.rests_until > now_ms_) {
    state.trouble = coded(code_of(Code::kTimeout), kTooLong);
    return;
  }
  Workload all;
  for (const std::string& key : state.waiting) {
    auto one = ask_for(key, &state);
    if (one.ok() && key != state.waiting.front() &&
        (one->fit != all.fit || one->cards != all.cards || one->queue != all.queue))
      one = fail(Code::kInvalid, "members of a gang must ask for like cards on like nodes");
    if (!one.ok()) {
      state.trouble =
          coded(code_of(one.error().code), (gang ? key + ": " : "") + one.error().message);
      return;
    }
    if (key == state.waiting.front()) all = *one;
    all.cpu_milli = std::max(all.cpu_milli, one->cpu_milli);
    all.memory_mib = std::max(all.memory_mib, one->memory_mib);
    all.card_milli = std::max(all.card_milli, one->card_milli);
    all.card_memory_mib = std::max(all.card_memory_mib, one->card_memory_mib);
    all.priority = std::min(all.priority, one->priority);
    all.submitted_ms = std::max(all.submitted_ms, one->submitted_ms);
  }
  state.fit = all.fit;
  all.name = unit;
  all.members = static_cast<uint32_t>(state.waiting.size());
  out->push_back(std::move(all));
}

void World::add_holding(const Member& member, std::vector<Workload>* out) {
  const auto& [key, p, claims] = member;
  if (leaving(key)) return;
  std::vector<Grant> grants;
  std::string node = p.node;
  bool only_one = true;  // its claims are nobody else's
  if (const PodPlace* place = assumption(key); place != nullptr && node.empty()) node = place->node;
  for (const ClaimFacts* facts : claims) {
    if (facts == nullptr || !ours(*facts) || !held_by(key, p, *facts)) continue;
    only_one = only_one && facts->reserved.size() < 2;
    if (node.empty()) node = facts->node;
    for (Grant& grant : grants_of(facts->ns + "/" + facts->name, facts, View::kPlanned))
      grants.push_back(std::move(grant));
  }
  const bool handle = grants.size() == 1 && grants[0].lease != nullptr && !grants[0].admin;
  if (handle) grants[0].consumed = *grants[0].admitted;
  std::vector<Workload> pieces = pieces_of(key, grants, node);
  if (pieces.empty()) {  // it only watches cards
    if (node.empty()) return;
    pieces.emplace_back();
    pieces[0].name = key;
    pieces[0].state = model::WorkState::kRunning;
    pieces[0].preemptible = pieces[0].can_restart = false;
    pieces[0].places = {{node, "", {}}};
  }
  pieces[0].cpu_milli = small(p.cpu_milli, 10'000'000);
  pieces[0].memory_mib = mib_up(p.memory);
  for (Workload& piece : pieces) {
    piece.queue = p.wish->queue;
    piece.priority = p.wish->priority;
    piece.submitted_ms = std::max<int64_t>(0, p.created_s * 1000);
    piece.started_ms = piece.submitted_ms;
  }
  const bool may_act = only_one && !p.node.empty() && !p.deleting && !assumed(key) &&
                       spared_.count(key) == 0 && pieces[0].cards > 0;
  if (may_act) {
    pieces[0].preemptible = p.wish->may_be_preempted;
    pieces[0].can_restart = p.has_controller;
  }
  if (handle && pieces[0].cards == 1)
    pieces[0] = with_handle(member, grants[0], may_act, std::move(pieces[0]), out);
  for (Workload& piece : pieces) out->push_back(std::move(piece));
}

World::Member World::member(const PodAt& at) const {
  Member member{at.first, *at.second, {}};
  member.claims.reserve(member.pod.wish->claims.size());
  for (const PodClaim& one : member.pod.wish->claims)
    member.claims.push_back(claim(member.pod.ns + "/" + one.claim));
  return member;
}

// From the first place on all members have so long until they run.
void World::look_after_gang(const std::string& unit, const std::vector<Member>& members) {
  size_t placed = 0, running = 0;
  uint32_t size = 0;
  for (const auto& [key, p, claims] : members) {
    if (p.wish->gang_size < 2 || unit == key) return;
    size = p.wish->gang_size;
    running += p.running;
    for (const ClaimFacts* facts : claims)
      placed += facts != nullptr && ours(*facts) && facts->allocated;
  }
  if (placed > 0 && running < size)
    gang_since_.try_emplace(unit, now_ms_);
  else
    gang_since_.erase(unit);
}

// What is to be mended for a pod, besides placing it.
void World::look_after_gate(const Member& member) {
  const auto& [key, p, claims] = member;
  bool done = p.wish->gated && p.wish->gates == 1 && p.node.empty() && !p.deleting;
  for (const ClaimFacts* facts : claims)
    done = done && facts != nullptr && (facts->allocated || !ours(*facts));
  if (done)
    unfinished_.insert(key);
  else
    unfinished_.erase(key);
}

void World::look_after_claim(const std::string& key, const ClaimFacts* facts) {
  unleased_.erase(key);
  unreserved_.erase(key);
  if (facts != nullptr && facts->allocated && facts->reserved.empty() && !facts->has_finalizer &&
      !facts->deleting && ours(*facts))
    unreserved_.insert(key);
  if (facts == nullptr || !facts->allocated || facts->deleting || facts->node.empty()) return;
  for (size_t i = 0; i < facts->given.size(); ++i)
    if (facts->given[i].ours && !facts->given[i].admin && !facts->given[i].share_id.empty() &&
        lease(facts->ns + "/" + kube::lease_name(facts->uid, i)) == nullptr)
      unleased_.insert(key);
}

// What is to be mended for the unit, and what the planner is to know of it.
std::vector<Workload> World::wanted(const std::string& unit) {
  std::vector<Workload> out;
  const auto rest = [&](size_t prefix) { return unit.substr(prefix); };
  if (unit.starts_with("@node:")) {
    const auto site = sites_.find(rest(6));
    if (site != sites_.end() && site->second.known) out.push_back(other_pods(rest(6)));
    return out;
  }
  if (unit.starts_with("@claim:")) {
    const std::string key = rest(7);
    const ClaimFacts* facts = claim(key);
    look_after_claim(key, facts);
    if (facts == nullptr || !holder_of(key, *facts).empty()) return out;
    return pieces_of(unit, grants_of(key, facts, View::kPlanned), "");
  }
  if (unit.starts_with("@lease:")) {
    const std::string key = rest(7);
    const kube::Lease* l = lease(key);
    look_after_lease(key, l, l == nullptr ? nullptr : claim_with(l->spec.claim.uid));
    std::vector<Grant> left = left_by(key);
    for (Grant& grant : unseen_of(key)) left.push_back(std::move(grant));
    return pieces_of(unit, left, "");
  }
  want_of_pods(unit, &out);
  return out;
}

void World::want_of_pods(const std::string& unit, std::vector<Workload>* out) {
  std::vector<Member> members;
  const auto alone = pods_.find(unit);
  if (const auto at = pods_of_gang_.find(unit); at != pods_of_gang_.end()) {
    members.reserve(at->second.size());
    for (const std::string& key : at->second) members.push_back(member(*pods_.find(key)));
    look_after_gang(unit, members);
  } else if (alone != pods_.end() && alone->second->wish != nullptr &&
             unit_of(unit, *alone->second) == unit) {
    members.push_back(member(*alone));
  } else {
    gang_since_.erase(unit);
  }
  std::vector<std::string> waiting;
  for (const Member& one : members) {
    const auto& [key, p, claims] = one;
    look_after_gate(one);
    if (!p.wants_cards() || p.finished) continue;
    bool holds = assumed(key), all = true, some = false, known = true;
    for (const ClaimFacts* facts : claims) {
      known = known && facts != nullptr;
      if (facts == nullptr) some = some || p.wish->gated;
      if (facts == nullptr || !ours(*facts)) continue;
      some = true;
      holds = holds || (facts->allocated && held_by(key, p, *facts));
      all = all && facts->allocated;
    }
    const size_t before = out->size();
    if (holds) add_holding(one, out);
    // Some of its claims have cards already: those that wait must go to the same node.
    const bool partly = holds && !all && !assumed(key);
    for (size_t i = before; partly && i < out->size(); ++i) {
      Workload& part = (*out)[i];
      part.name = "@part:" + part.name;
      part.cpu_milli = part.memory_mib = 0;
      part.preemptible = part.can_restart = false;
    }
    const bool may_go = p.wish->gated ? p.wish->gates == 1 : p.wish->gates == 0;
    if (some && (!all || !known) && may_go && p.node.empty() && !p.deleting && !assumed(key) &&
        (!holds || partly))
      waiting.push_back(key);
  }
  add_waiting(unit, std::move(waiting), out);
}

}  // namespace flexai::control
