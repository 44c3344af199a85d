#include "control/ladder.h"

#include <algorithm>

#include "base/log.h"
#include "control/writes.h"
#include "kube/time_text.h"

namespace flexai::control {
namespace {

using kube::LeaseState;
using sched::Act;

constexpr base::Nanos kLeasePatience = 60 * base::kSecond;  // of an agent that suspends much memory
constexpr base::Nanos kEvictPatience = 300 * base::kSecond;  // of a pod that is to end
constexpr base::Nanos kLandAgain = base::kSecond;
constexpr base::Nanos kFirstPause = 30 * base::kSecond;  // doubled each time
constexpr base::Nanos kLongestPause = 1800 * base::kSecond;

std::string share(uint32_t milli) { return std::to_string(milli) + " thousandths of its card"; }

}  // namespace

Ladder::Ladder(kube::Client& client, base::Loop& loop, World& world, Handlers handlers)
    : client_(client), loop_(loop), world_(world), handlers_(std::move(handlers)) {}

Ladder::~Ladder() { *alive_ = false; }

void Ladder::send(kube::Call call, std::function<void(kube::Reply)> then) {
  client_.send(std::move(call), &loop_,
               [alive = alive_, then = std::move(then)](kube::Reply reply) {
                 if (*alive) then(std::move(reply));
               });
}

int64_t Ladder::until_ms(base::Nanos pause) const {
  return client_.server_clock().now_ms() + pause / base::kMillisecond;
}

void Ladder::refuse(const std::string& pod, const std::string& why) {
  ++counts_.refused;
  base::Nanos& pause = pauses_[pod];
  pause = std::clamp(2 * pause, kFirstPause, kLongestPause);
  world_.spare(pod, until_ms(pause));
  base::log(base::Level::kInfo, "ladder", "a pod does not give way", {{"pod", pod}, {"why", why}});
  for (Way& way : ways_)
    for (Victim& victim : way.victims) victim.refused = victim.refused || victim.pod == pod;
  handlers_.changed();
}

void Ladder::write(const std::string& key, const LeaseAim& aim, const std::string& pod) {
  const kube::Lease* lease = world_.lease(key);
  if (lease == nullptr) return;
  world_.aim(key, aim);
  send(aim_lease(*lease, aim), [this, key, pod](kube::Reply reply) {
    if (!reply.ok()) {
      world_.aimed(key, 0);
      return refuse(pod, reply.failure->message);
    }
    const auto now = kube::parse_lease(reply.body);
    world_.aimed(key, now.ok() ? now->generation : 0);
    handlers_.changed();
  });
}

bool Ladder::aim(const std::string& pod, const LeaseAim& aim, const std::string& why,
                 Victim* made) {
  const kube::Lease* lease = world_.handle_of(pod);
  const PodFacts* facts = world_.pod(pod);
  if (lease == nullptr || facts == nullptr) return false;
  const std::string key = lease->ns + "/" + lease->name;
  if (made != nullptr) *made = {pod, facts->uid, key, world_.aim_of(*lease), aim};
  const LeaseAim before = world_.aim_of(*lease);
  if (before == aim) return true;
  std::string reason, what;
  if (!aim.target.empty()) {
    reason = "XpuMoving", what = "goes to a card of node " + aim.target.pool;
  } else if (aim.state == LeaseState::kSuspended) {
    ++counts_.suspended;
    reason = "XpuSuspended", what = "is off its card until there is room again";
  } else if (aim.state == LeaseState::kShared) {
    ++counts_.shared;
    reason = "XpuShared", what = "lives on the idle time of its card";
  } else if (before.state == LeaseState::kSuspended) {
    ++counts_.resumed;
    reason = "XpuResumed", what = "goes on with " + share(aim.compute);
  } else if (before.state == LeaseState::kShared || aim.compute > before.compute) {
    ++counts_.grown;
    reason = "XpuGrown", what = "has " + share(aim.compute) + " again";
  } else {
    ++counts_.shrunk;
    reason = "XpuShrunk", what = "has " + share(aim.compute) + " now";
  }
  handlers_.tell(*facts, reason, what + (why.empty() ? "" : ": " + why));
  write(key, aim, pod);
  return true;
}

void Ladder::evict_one(const std::string& pod, const std::string& why) {
  const PodFacts* facts = world_.pod(pod);
  if (facts == nullptr || facts->finished) return;
  world_.leave(pod);
  if (facts->deleting) return;
  send(control::evict(*facts), [this, pod, why, copy = *facts](kube::Reply reply) {
    if (reply.ok()) {
      ++counts_.evicted;
      return handlers_.tell(copy, "Preempted", why);
    }
    if (reply.failure->http != 404) refuse(pod, "eviction: " + reply.failure->message);
  });
}

// A gang ends as a whole.
void Ladder::evict(const std::string& pod, const std::string& why) {
  for (const std::string& one : world_.companions(pod)) evict_one(one, why);
}

bool Ladder::begin(const std::string& pod, const sched::Action& action, const std::string& why,
                   Victim* victim) {
  const kube::Lease* lease = world_.handle_of(pod);
  const LeaseAim now = lease == nullptr ? LeaseAim{} : world_.aim_of(*lease);
  const auto milli = static_cast<uint32_t>(std::clamp(action.milli, 0, 1000));
  switch (action.act) {
    case Act::kShrink:
    case Act::kGrow:
      return aim(pod, {milli, LeaseState::kRunning}, why, victim);
    case Act::kShare:
      return aim(pod, {now.compute, LeaseState::kShared}, why, victim);
    case Act::kSuspend:
      return aim(pod, {now.compute, LeaseState::kSuspended}, why, victim);
    case Act::kMigrate:
    case Act::kHome: {
      if (lease == nullptr || action.places.size() != 1) return false;
      const LeaseAim there{now.compute, now.state, world_.card_of(action.places[0])};
      if (there.target.empty() || there.target.pool == lease->spec.pool ||
          !world_.settled(*lease) || !world_.has_room(*lease, there))
        return false;
      return aim(pod, there, why, victim);
    }
    case Act::kRequeue:
    case Act::kKill: {
      const PodFacts* facts = world_.pod(pod);
      if (facts == nullptr) return false;
      *victim = {pod, facts->uid, "", {}, {}};
      evict(pod, why);
      return true;
    }
    default:
      return false;
  }
}

bool Ladder::resume(const std::string& pod) {
  const kube::Lease* lease = world_.handle_of(pod);
  if (lease == nullptr || !handlers_.may_write()) return false;
  const LeaseAim aimed{lease->spec.compute_milli, LeaseState::kRunning};
  if (!world_.has_room(*lease, aimed)) return false;
  return aim(pod, aimed, "", nullptr);
}

void Ladder::act(const std::string& pod, const sched::Action& action) {
  if (!handlers_.may_write()) return;
  const kube::Lease* lease = world_.handle_of(pod);
  if (lease == nullptr || !world_.settled(*lease)) return;
  const LeaseAim aimed{
      static_cast<uint32_t>(std::clamp(action.milli, 0, 1000)), LeaseState::kRunning, {}};
  if (action.act == Act::kGrow && !world_.has_room(*lease, aimed)) return;
  Victim victim;
  begin(pod, action, action.reason, &victim);
}

bool Ladder::make_way(const std::string& unit, const sched::Action& place,
                      const std::vector<sched::Action>& acts,
                      const std::vector<std::string>& victims,
                      const std::function<std::string()>& uuid) {
  if (!handlers_.may_write()) return false;
  Way way;
  way.unit = unit;
  const std::set<std::string> giving(victims.begin(), victims.end());
  const PodFacts* pod = world_.pod(unit);
  const kube::Lease* suspended = pod == nullptr ? nullptr : world_.handle_of(unit);
  if (suspended != nullptr && world_.aim_of(*suspended).state == LeaseState::kSuspended)
    way.resumes = unit;
  for (size_t i = 0; i < acts.size(); ++i) {
    Victim victim;
    if (!begin(victims[i], acts[i], acts[i].reason, &victim)) {
      refuse(victims[i], "it has no lease of its own, or no room where it is to go");
      continue;
    }
    way.until = std::max(way.until, base::monotonic_now() +
                                        (victim.lease.empty() ? kEvictPatience : kLeasePatience));
    way.victims.push_back(std::move(victim));
  }
  if (way.resumes.empty()) {
    auto settled = world_.settle(unit, place, uuid, giving);
    if (!settled.ok()) {
      base::log(base::Level::kInfo, "ladder", "no room after all",
                {{"unit", unit}, {"why", settled.error().message}});
      return true;  // what gives way already does; whoever fits there next gets it
    }
    for (PodPlace& one : *settled) {
      world_.assume(one);
      way.places.push_back(std::move(one));
    }
  }
  base::log(base::Level::kInfo, "ladder", "room is made",
            {{"unit", unit}, {"victims", std::to_string(way.victims.size())}});
  ways_.push_back(std::move(way));
  return false;
}

bool Ladder::arrived(const Way& way) const {
  for (const PodPlace& place : way.places)
    if (!world_.has_room(place)) return false;
  return true;
}

// What has been given up already stays so: plans go by it.
void Ladder::undo(const Way& way) {
  for (const PodPlace& place : way.places) world_.forget(place.pod);
  for (const Victim& victim : way.victims) {
    if (victim.lease.empty()) {
      const PodFacts* pod = world_.pod(victim.pod);
      if (pod != nullptr && !pod->deleting && !victim.refused)
        refuse(victim.pod, "it did not end in time");
      continue;
    }
    const kube::Lease* lease = world_.lease(victim.lease);
    if (lease == nullptr || lease->deleting || world_.settled(*lease) ||
        !(world_.aim_of(*lease) == victim.after))
      continue;
    if (lease->status.phase == kube::LeasePhase::kMoving) continue;  // comes to its own end
    if (!victim.refused) refuse(victim.pod, "its card's agent did not answer in time");
    write(victim.lease, victim.before, victim.pod);
  }
}

// Of any agent that could not give up what it was to, whoever asked for it.
void Ladder::mend_refused() {
  for (const std::string& key : world_.refused()) {
    const kube::Lease* lease = world_.lease(key);
    if (lease == nullptr) continue;
    const std::string pod = lease->ns + "/" + lease->spec.pod.name;
    refuse(pod, "its card's agent: " + lease->status.message);
    write(key, {lease->status.compute_milli, LeaseState::kRunning}, pod);
  }
}

// What has arrived has its card there from now on; what never left stays.
void Ladder::mend_moves() {
  for (const std::string& key : world_.late()) {
    const kube::Lease* lease = world_.lease(key);
    if (lease == nullptr) continue;
    const std::string pod = lease->ns + "/" + lease->spec.pod.name;
    refuse(pod, "its card's agent did not begin to move it in time");
    write(key, {lease->spec.compute_milli, lease->spec.state}, pod);
  }
  for (const std::string& key : world_.landed()) {
    const kube::Lease* lease = world_.lease(key);
    if (lease == nullptr || !landing_.insert(key).second) continue;
    send(land_lease(*lease), [this, key, copy = *lease](const kube::Reply& reply) {
      landing_.erase(key);
      if (!reply.ok()) {
        // A newer state of it comes by the watch; else it is tried again.
        loop_.at(base::monotonic_now() + kLandAgain, [this, alive = alive_] {
          if (*alive) handlers_.changed();
        });
        return;
      }
      ++counts_.moved;
      if (const PodFacts* pod = world_.pod(copy.ns + "/" + copy.spec.pod.name); pod != nullptr)
        handlers_.tell(*pod, "XpuMoved", "has a card of node " + copy.spec.target.pool + " now");
    });
  }
}

void Ladder::look(base::Nanos now) {
  if (!handlers_.may_write()) return;
  mend_refused();
  mend_moves();
  std::erase_if(pauses_, [this](const auto& one) { return world_.pod(one.first) == nullptr; });
  for (auto way = ways_.begin(); way != ways_.end();) {
    const bool wanted =
        !way->resumes.empty() ||
        std::all_of(way->places.begin(), way->places.end(), [this](const PodPlace& place) {
          const PodPlace* assumed = world_.assumption(place.pod);
          return assumed != nullptr && assumed->uid == place.uid;
        });
    const bool refused = std::any_of(way->victims.begin(), way->victims.end(),
                                     [](const Victim& v) { return v.refused; });
    bool there = wanted && !refused;
    if (there) there = way->resumes.empty() ? arrived(*way) : resume(way->resumes);
    if (!there && wanted && !refused && now < way->until) {
      ++way;
      continue;
    }
    const Way done = std::move(*way);
    way = ways_.erase(way);
    if (there)
      for (const PodPlace& place : done.places) handlers_.start(place);
    else
      undo(done);
    if (!there) handlers_.changed();
  }
}

base::Nanos Ladder::next() const {
  base::Nanos first = 0;
  for (const Way& way : ways_)
    if (first == 0 || way.until < first) first = way.until;
  return first;
}

std::map<std::string, std::string> Ladder::waiting() const {
  std::map<std::string, std::string> all;
  for (const Way& way : ways_) {
    std::string who;
    for (const Victim& victim : way.victims) who += (who.empty() ? "" : ", ") + victim.pod;
    for (const PodPlace& place : way.places)
      all[place.pod] =
          "GivingWay: it has a place on " + place.node + " as soon as " + who + " gives way";
  }
  return all;
}

void Ladder::drop() {
  ways_.clear();
  landing_.clear();
}

}  // namespace flexai::control
