#include "control/world.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "kube/names.h"
#include "sched/guarantees.h"

namespace flexai::control {
namespace {

using base::Code;
using base::fail;
using model::Workload;

constexpr int64_t kMib = 1 << 20;
constexpr size_t kMostZones = 60, kMostModels = 60, kMostFits = 2000;
constexpr int kEasySearch = 1'000;      // steps on one node that count for nothing
constexpr int kMostWork = 200'000;      // steps: some 0.1 s
constexpr int64_t kFirstRest = 10'000;  // ms; doubled each time
constexpr int kLongestRest = 6;         // doublings

// Of all its cards: quotas know a node's cards by one name.
std::string model_of(const std::vector<std::shared_ptr<const Card>>& cards) {
  std::set<std::string> names;
  for (const auto& card : cards) names.insert(card->model());
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : " + ") + name;
  return all.substr(0, 200);
}

int32_t mib(int64_t bytes, int64_t most) {
  return static_cast<int32_t>(std::clamp<int64_t>(bytes / kMib, 0, most));
}

model::Node node_of(const std::string& name, const NodeFacts& facts,
                    const std::vector<std::shared_ptr<const Card>>& cards) {
  model::Node n;
  n.name = name;
  n.cards = static_cast<uint32_t>(cards.size());
  n.model = model_of(cards);
  n.cpu_milli = static_cast<int32_t>(std::clamp<int64_t>(facts.cpu_milli, 0, 10'000'000));
  n.memory_mib = mib(facts.memory, 1'000'000'000);
  std::vector<int32_t> each;
  for (const auto& card : cards) each.push_back(std::max(1, mib(card->memory(), 1'000'000'000)));
  if (each.empty()) return n;
  n.card_memory_mib = *std::max_element(each.begin(), each.end());
  if (*std::min_element(each.begin(), each.end()) != n.card_memory_mib) n.each_card_mib = each;
  return n;
}

int64_t average_ncu(const std::vector<std::shared_ptr<const Card>>& cards) {
  int64_t sum = 0, said = 0;
  for (const auto& card : cards)
    if (card->ncu_milli() > 0) sum += card->ncu_milli(), ++said;
  return said == 0 ? 1000 : std::clamp<int64_t>(sum / said, 1, 1'000'000);
}

}  // namespace

sched::Snapshot World::snapshot(int64_t now_ms) {
  sched::Snapshot s;
  s.now_ms = now_ms;
  std::set<std::string> zones, models;
  uint32_t position = 0;
  for (auto& [name, site] : sites_) {
    site.position = position++;
    model::Node node = node_of(name, site.facts, site.cards);
    const auto zone = site.facts.labels.find("topology.kubernetes.io/zone");
    if (zone != site.facts.labels.end() &&
        (zones.count(zone->second) != 0 || zones.size() < kMostZones))
      zones.insert(node.zone = zone->second);
    if (!node.model.empty() && models.count(node.model) == 0) {
      if (models.size() >= kMostModels) node.model = "others";
      if (models.insert(node.model).second)
        s.rates.push_back({node.model, "", static_cast<int32_t>(average_ncu(site.cards)), 0});
    }
    s.nodes.push_back(std::move(node));
  }
  s.policy.remote_most_milli = static_cast<int64_t>(cards()) * 1000 * options_.remote_percent / 100;
  s.queues = queues_;
  const bool named = std::any_of(s.queues.begin(), s.queues.end(),
                                 [](const auto& q) { return q.name == kube::kDefaultQueue; });
  if (!named) {
    model::Queue usual;
    usual.name = kube::kDefaultQueue;
    queues_.push_back(usual);
    s.queues.push_back(usual);
  }
  whole_ncu_ = sched::whole_ncu(s);
  sched::keep_what_can_be_kept(whole_ncu_, &s.queues);
  kept_.clear();
  for (const model::Queue& q : s.queues) kept_[q.name] = q.guarantee;
  if (planner_ != nullptr) s.mix = planner_->snapshot().mix;
  return s;
}

// Everything anew: nodes or cards have come or gone, or queues have changed.
bool World::open(int64_t now_ms) {
  sched::Snapshot s = snapshot(now_ms);
  room_.clear();
  room_.reserve(s.nodes.size());
  for (const model::Node& n : s.nodes) {
    Room& room = room_[n.name];
    room.cpu = n.cpu_milli;
    room.memory = n.memory_mib;
    room.milli.assign(n.cards, 1000);
    room.card_memory.assign(n.cards, n.card_memory_mib);
    for (size_t i = 0; i < n.each_card_mib.size(); ++i) room.card_memory[i] = n.each_card_mib[i];
  }
  for (auto& [name, site] : sites_) {
    room_[name].ncu = average_ncu(site.cards);
    const auto on = pods_on_.find(name);
    site.full = on != pods_on_.end() && static_cast<int64_t>(on->second.size()) >= site.facts.pods;
    dirty_units_.insert("@node:" + name);
  }
  fits_.clear();
  fit_names_.clear();
  for (auto& [unit, state] : units_) {
    state.emitted.clear();
    dirty_units_.insert(unit);
  }
  if (!std::exchange(marks_, true)) first_look();
  structure_ = false;
  dirty_sites_.clear();
  planner_.reset();
  if (s.nodes.empty()) return false;
  auto planner = sched::Planner::open(s);
  if (!planner.ok()) {
    // Queues are the only part of it that people write.
    base::log(base::Level::kError, "world", planner.error().message);
    s.queues.clear();
    s.queues.emplace_back();
    s.queues.back().name = kube::kDefaultQueue;
    wrong_queues_.clear();
    for (const model::Queue& q : queues_)
      if (q.name != kube::kDefaultQueue) wrong_queues_[q.name] = planner.error().message;
    s.mix.clear();
    planner = sched::Planner::open(std::move(s));
  }
  if (!planner.ok()) return false;
  planner_ = std::move(*planner);
  return true;
}

namespace {
int32_t milli_now(const Workload& w) {
  return w.cards == 1 && w.granted_milli >= 0 ? w.granted_milli : w.card_milli;
}
}  // namespace

void World::give_room(const Workload& w, int sign) {
  for (const model::MemberPlace& place : w.places) {
    Room& home = room_[place.node];
    home.cpu += int64_t{sign} * w.cpu_milli;
    home.memory += int64_t{sign} * w.memory_mib;
    Room& there = place.card_node.empty() ? home : room_[place.card_node];
    for (uint32_t card : place.cards) {
      if (card >= there.milli.size()) continue;
      there.milli[card] += int64_t{sign} * milli_now(w);
      there.card_memory[card] += int64_t{sign} * w.card_memory_mib;
    }
  }
}

// What others have overbooked counts as full. False: it cannot be told at all.
bool World::clamp(Workload* w) {
  for (const model::MemberPlace& place : w->places) {
    const auto home = room_.find(place.node);
    const auto there = place.card_node.empty() ? home : room_.find(place.card_node);
    if (home == room_.end() || there == room_.end()) return false;
    w->cpu_milli = static_cast<int32_t>(
        std::clamp<int64_t>(w->cpu_milli, 0, std::max<int64_t>(0, home->second.cpu)));
    w->memory_mib = static_cast<int32_t>(
        std::clamp<int64_t>(w->memory_mib, 0, std::max<int64_t>(0, home->second.memory)));
    for (uint32_t card : place.cards) {
      if (card >= there->second.milli.size()) return false;
      const int64_t milli = there->second.milli[card];
      if (milli < 1 && milli_now(*w) > 0) return false;
      if (w->cards > 1 && milli < 1000) return false;
      if (w->granted_milli >= 0)
        w->granted_milli = static_cast<int32_t>(std::min<int64_t>(w->granted_milli, milli));
      else
        w->card_milli = static_cast<int32_t>(std::min<int64_t>(w->card_milli, milli));
      w->card_memory_mib = static_cast<int32_t>(std::clamp<int64_t>(
          w->card_memory_mib, 0, std::max<int64_t>(0, there->second.card_memory[card])));
    }
  }
  w->card_milli_least = std::min(w->card_milli_least, w->card_milli);
  return true;
}

// What a unit wants now, as far as there is room.
void World::look_at(Looked* at) {
  const std::string& unit = *at->unit;
  std::vector<Workload> works = wanted(unit);
  const auto known = works.empty() ? units_.find(unit) : units_.try_emplace(unit).first;
  if (known == units_.end()) return;
  UnitState& state = known->second;
  for (Workload& w : works) {
    if (!clamp(&w)) continue;
    if (w.state == model::WorkState::kRunning) give_room(w, -1);
    state.emitted.push_back(std::move(w));
  }
  count(&state);
  if (state.trouble.empty())
    troubled_.erase(unit);
  else
    troubled_.insert(unit);
  if (!state.emitted.empty() || !state.waiting.empty()) {
    at->state = &state;
    return;
  }
  troubled_.erase(unit);
  units_.erase(known);
}

void World::emit(sched::Delta* delta) {
  const std::unordered_set<std::string> dirty = std::exchange(dirty_units_, {});
  std::vector<Looked> order;
  order.reserve(dirty.size());
  for (const std::string& unit : dirty) order.push_back({&unit, nullptr});
  const auto by_unit = [](const Looked& a, const Looked& b) { return *a.unit < *b.unit; };
  std::sort(order.begin(), order.end(), by_unit);
  // Other pods last: ours are known card by card, of them what is left counts.
  const auto nodes = std::stable_partition(order.begin(), order.end(), [](const Looked& one) {
    return !one.unit->starts_with("@node:");
  });
  std::unordered_map<std::string, Workload> before;
  for (const Looked& one : order) {
    const auto known = units_.find(*one.unit);
    if (known == units_.end()) continue;
    count_off(&known->second);
    for (Workload& w : known->second.emitted) {
      give_room(w, 1);
      before[w.name] = std::move(w);
    }
    known->second.emitted.clear();
  }
  if (units_.empty()) units_.reserve(order.size());
  for (Looked& one : order) look_at(&one);
  // By name, which most of them share with their units.
  std::inplace_merge(order.begin(), nodes, order.end(), by_unit);
  std::vector<const Workload*> after;
  for (const Looked& one : order)
    if (one.state != nullptr)
      for (const Workload& w : one.state->emitted) after.push_back(&w);
  const auto by_name = [](const Workload* a, const Workload* b) { return a->name < b->name; };
  if (!std::is_sorted(after.begin(), after.end(), by_name))
    std::sort(after.begin(), after.end(), by_name);
  delta->workloads.reserve(before.empty() ? after.size() : 0);
  for (const Workload* w : after) {
    const auto was = before.find(w->name);
    if (was == before.end() || !(was->second == *w)) delta->workloads.push_back(*w);
    if (was != before.end()) before.erase(was);
  }
  for (const auto& [name, w] : before) delta->gone.push_back(name);
  std::sort(delta->gone.begin(), delta->gone.end());
}

bool World::refresh(int64_t now_ms) {
  now_ms_ = std::max(now_ms, now_ms_);
  for (auto& [pod, nodes] : avoided_) {
    const size_t before = nodes.size();
    std::erase_if(nodes, [&](const auto& one) { return one.second <= now_ms_; });
    if (nodes.size() != before) touch_pod(pod);
  }
  std::erase_if(avoided_, [](const auto& one) { return one.second.empty(); });
  const size_t spared = spared_.size();
  std::erase_if(spared_, [&](const auto& one) {
    if (one.second <= now_ms_) touch_pod(one.first);
    return one.second <= now_ms_;
  });
  if (spared_.size() != spared) {
    ++changes_;
    forget_misfits();
  }
  wake_up();
  if (fits_.size() > kMostFits) structure_ = true;
  if ((structure_ || planner_ == nullptr) && !open(now_ms_)) return false;
  sched::Delta delta;
  delta.now_ms = now_ms_;
  for (const std::string& unit : dirty_units_) {
    if (!unit.starts_with("@node:")) continue;
    const auto site = sites_.find(unit.substr(6));
    if (site == sites_.end()) continue;
    const auto on = pods_on_.find(site->first);
    const bool full =
        on != pods_on_.end() && static_cast<int64_t>(on->second.size()) >= site->second.facts.pods;
    const bool dynamic =
        std::any_of(fits_.begin(), fits_.end(), [](const auto& f) { return f.second.dynamic(); });
    if (full != site->second.full || dynamic) dirty_sites_.insert(site->first);
    site->second.full = full;
  }
  for (const std::string& name : dirty_sites_) site_changed(name, &delta);
  dirty_sites_.clear();
  emit(&delta);
  for (auto& [key, fit] : fits_)
    if (std::exchange(fit.fresh, false)) delta.fits.push_back(fit.words);
  const auto applied = planner_->apply(std::move(delta));
  if (applied.ok()) return true;
  // Ours to repair, never to stop for: the next look opens everything anew.
  base::log(base::Level::kError, "world", "the planner refused what changed",
            {{"error", applied.error().message}});
  structure_ = true;
  return false;
}

std::vector<std::string> World::pods_of(const std::string& unit) const {
  const auto at = units_.find(unit);
  return at == units_.end() ? std::vector<std::string>() : at->second.waiting;
}

std::vector<std::pair<std::string, std::string>> World::troubles() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& unit : troubled_) {
    const UnitState& state = units_.at(unit);
    for (const std::string& pod : state.waiting) all.emplace_back(pod, state.trouble);
  }
  return all;
}

// Until something changes there; and who has used up his steps, for a time.
void World::misfit(const std::string& unit, const std::string& node) {
  UnitState& state = units_.at(unit);
  state.excluded.insert(node);
  misfits_.insert(unit);
  dirty_units_.insert(unit);
  if (state.work < kMostWork) return;
  state.work = 0;
  state.rests_until = now_ms_ + (kFirstRest << std::min(state.rests++, kLongestRest));
  resting_.insert(unit);
}

void World::wake_up() {
  std::erase_if(resting_, [this](const std::string& unit) {
    const auto at = units_.find(unit);
    if (at == units_.end()) return true;
    if (at->second.rests_until > now_ms_) return false;
    dirty_units_.insert(unit);
    return true;
  });
}

base::Result<std::vector<PodPlace>> World::settle(const std::string& unit,
                                                  const sched::Action& action,
                                                  const std::function<std::string()>& uuid,
                                                  const std::set<std::string>& making_way) {
  const auto state = units_.find(unit);
  if (state == units_.end() || state->second.waiting.size() != action.places.size())
    return fail(Code::kConflict, "unit " + unit + " is not what was planned for");
  std::vector<PodPlace> places;
  std::map<std::string, std::vector<CardState>> nodes;
  for (size_t i = 0; i < action.places.size(); ++i) {
    const model::MemberPlace& at = action.places[i];
    const std::string& key = state->second.waiting[i];
    const PodFacts& p = *pods_.at(key);
    const std::string pool = at.card_node.empty() ? at.node : at.card_node;
    if (nodes.count(pool) == 0) nodes[pool] = states_of(pool, making_way);
    std::vector<CardState>& cards = nodes[pool];
    std::stable_partition(cards.begin(), cards.end(), [&](const CardState& c) {
      return std::count(at.cards.begin(), at.cards.end(), c.index) != 0;
    });
    FLEXAI_TRY_ASSIGN(const std::vector<Asking> asking, asking_of(p));
    const auto site = sites_.find(at.node);
    const bool dynamic = !p.ports.empty() || !p.extras.empty();
    if (const char* why = dynamic && site != sites_.end()
                              ? obstacle(p.wish->constraints, site->second.facts, use_of(at.node))
                              : nullptr) {
      misfit(unit, at.node);
      return fail(Code::kConflict, key + " on " + at.node + ": " + why);
    }
    int steps = 0;
    const auto found = fit(asking, cards, &steps);
    state->second.work += std::max(0, steps - kEasySearch);
    if (!found.ok()) {
      misfit(unit, pool);
      return fail(Code::kConflict, key + " on " + pool + ": " + found.error().message);
    }
    PodPlace place{key, p.uid, at.node, p.wish->queue, {}};
    for (size_t a = 0; a < asking.size(); ++a) {
      Award award{asking[a].claim->ns + "/" + asking[a].claim->name, asking[a].claim->uid, {}};
      for (const Choice& choice : (*found)[a]) {
        CardState& card = cards[choice.card];
        award.given.push_back({choice.request, pool, card.card->name,
                               card.card->shared ? uuid() : "", true, choice.admin,
                               choice.consumed});
        if (choice.admin) continue;
        card.taken = card.taken || !card.card->shared;
        for (const auto& [name, amount] : choice.consumed)
          card.used[name] = card.used[name] + amount;
      }
      place.awards.push_back(std::move(award));
    }
    places.push_back(std::move(place));
  }
  return places;
}

// Sums that go along with the units: adding all of them up each second costs more with each pod.
void World::count_off(UnitState* state) {
  for (const auto& [of, part] : state->counted) {
    of->ncu -= part.ncu;
    of->milli -= part.milli;
    of->running -= part.running;
    of->pending -= part.pending;
    of->suspended -= part.suspended;
    of->unmet -= part.unmet;
  }
  state->counted.clear();
}

void World::count(UnitState* state) {
  const auto part_of = [&](const std::string& queue) -> QueueUse& {
    QueueUse* of = &use_[queue];
    for (auto& [known, part] : state->counted)
      if (known == of) return part;
    return state->counted.emplace_back(of, QueueUse{}).second;
  };
  for (const Workload& w : state->emitted) {
    if (w.queue.empty()) continue;
    QueueUse& part = part_of(w.queue);
    if (w.state == model::WorkState::kPending)
      part.unmet += int64_t{w.members} * w.cards * w.card_milli;
    for (const model::MemberPlace& place : w.places) {
      const int64_t milli = int64_t{milli_now(w)} * w.cards;
      const auto room = room_.find(place.card_node.empty() ? place.node : place.card_node);
      part.milli += milli;
      if (room != room_.end()) part.ncu += milli * room->second.ncu / 1000;
    }
    part.running += !w.places.empty() && w.cards > 0 && w.name.find('#') == std::string::npos;
    part.suspended += w.state == model::WorkState::kSuspended;
  }
  for (const std::string& pod : state->waiting)
    if (const PodFacts* p = this->pod(pod); p != nullptr) ++part_of(p->wish->queue).pending;
  for (const auto& [of, part] : state->counted) {
    of->ncu += part.ncu;
    of->milli += part.milli;
    of->running += part.running;
    of->pending += part.pending;
    of->suspended += part.suspended;
    of->unmet += part.unmet;
  }
}

std::map<std::string, World::QueueUse> World::queue_use() const {
  std::map<std::string, QueueUse> use = use_;
  for (const model::Queue& q : queues_) {
    const auto kept = kept_.find(q.name);
    use[q.name].guarantee = kept == kept_.end() ? q.guarantee : kept->second;
  }
  return use;
}

}  // namespace flexai::control
