#include "limit/arbiter_sim.h"

#include <algorithm>

namespace flexai::limit {

using base::kMicrosecond;
using base::kMillisecond;

ArbiterSim::ArbiterSim(SimOptions options) : options_(options), arbiter_(options.config) {}

size_t ArbiterSim::add(const SimTenant& tenant) {
  Actor actor;
  actor.about = tenant;
  actor.ready = std::max(tenant.start, now_);
  actors_.push_back(std::move(actor));
  size_t id = actors_.size() - 1;
  arbiter_.set_terms(id + 1, tenant.terms, now_);
  at(tenant.start, [this, id] { actors_[id].alive = true; });
  if (tenant.stop != INT64_MAX) at(tenant.stop, [this, id] { actors_[id].alive = false; });
  return id;
}

void ArbiterSim::at(Nanos when, std::function<void()> what) {
  events_.emplace(std::max(when, now_), std::move(what));
}

void ArbiterSim::set_terms(size_t tenant, const Terms& terms) {
  actors_[tenant].about.terms = terms;
  arbiter_.set_terms(tenant + 1, terms, now_);
  rung_ = true;
}

void ArbiterSim::freeze(size_t tenant, bool frozen) {
  Actor& actor = actors_[tenant];
  actor.frozen = frozen;
  if (frozen) return;
  for (Nanos length : actor.hidden) settle_end(&actor, length);
  actor.hidden.clear();
}

void ArbiterSim::run(Nanos until) {
  while (true) {
    Nanos next = next_event();
    if (next > until) {
      now_ = until;
      return;
    }
    now_ = next;
    while (!events_.empty() && events_.begin()->first <= now_) {
      auto what = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      what();
    }
    complete();
    for (size_t id = 0; id < actors_.size(); ++id) act(id);
    if (rung_ || (next_step_ != 0 && now_ >= next_step_)) {
      step();
      for (size_t id = 0; id < actors_.size(); ++id) act(id);
    }
  }
}

Nanos ArbiterSim::next_event() const {
  Nanos next = INT64_MAX;
  if (!events_.empty()) next = events_.begin()->first;
  if (next_step_ != 0) next = std::min(next, next_step_);
  if (rung_) next = std::min(next, now_);
  if (!card_.empty()) next = std::min(next, card_.front().end);
  for (const Actor& actor : actors_) {
    if (!actor.alive || actor.frozen) continue;
    if (actor.ready > now_) next = std::min(next, actor.ready);
    if (actor.waiting && actor.lease_seen > now_) next = std::min(next, actor.lease_seen);
  }
  return std::max(next, now_);
}

void ArbiterSim::act(size_t id) {
  Actor& actor = actors_[id];
  if (actor.frozen) return;
  if (!actor.alive) {
    actor.waiting = false;
    actor.waiting_since = -1;
    return;
  }
  for (;;) {
    bool has_work = now_ >= actor.ready && (actor.about.queued || actor.in_flight == 0);
    if (!has_work) {
      actor.waiting = false;
      return;
    }
    if (actor.waiting_since < 0) {
      actor.waiting_since = now_;
      actor.idle_before = actor.in_flight > 0 ? 0 : now_ - actor.idle_since;
    }
    bool granted = actor.lease.granted && now_ < actor.lease.end && now_ >= actor.lease_seen;
    if (!granted) {
      if (!actor.waiting) rung_ = true;
      actor.waiting = actor.waited = true;
      return;
    }
    actor.waiting = false;
    if (actor.in_flight > 0 && actor.predicted_in_flight > options_.in_flight_bound) return;
    submit(id);
  }
}

void ArbiterSim::submit(size_t id) {
  Actor& actor = actors_[id];
  const auto& lengths = actor.about.kernels;
  Nanos length = lengths[actor.next_kernel++ % lengths.size()];
  auto predicted = static_cast<Nanos>(static_cast<double>(length) * actor.about.predicts);
  if (actor.in_flight++ == 0) {
    actor.stretch = now_;
    actor.est_end = now_;
    actor.told_start = !actor.waited;
    Nanos asked = actor.waiting_since >= 0 ? actor.waiting_since : now_;
    bool brief = asked - actor.idle_since < 300 * kMicrosecond;
    actor.brief_pauses = brief ? actor.brief_pauses + 1 : 0;
  }
  actor.waited = false;
  actor.predicted_in_flight += predicted;
  actor.est_end = std::max(actor.est_end, now_) + predicted;
  if (!actor.about.queued) actor.ready = INT64_MAX;
  if (actor.about.burst > 0 && ++actor.in_burst == actor.about.burst) {
    actor.in_burst = 0;
    actor.ready = INT64_MAX;
  }
  card_.push_back({id, length, 0, 0});
  if (card_.size() == 1) start_next();
}

void ArbiterSim::start_next() {
  if (card_.empty()) return;
  Kernel& kernel = card_.front();
  Nanos lost = last_on_card_ == kernel.tenant ? 0 : options_.hand_over;
  last_on_card_ = kernel.tenant;
  kernel.start = now_ + lost;
  kernel.end = kernel.start + kernel.length;
  Actor& actor = actors_[kernel.tenant];
  if (actor.waiting_since >= 0)
    actor.requests.push_back(
        {actor.waiting_since, kernel.start - actor.waiting_since, actor.idle_before});
  actor.waiting_since = -1;
}

void ArbiterSim::complete() {
  while (!card_.empty() && card_.front().end <= now_) {
    Kernel kernel = card_.front();
    card_.pop_front();
    Actor& actor = actors_[kernel.tenant];
    Nanos before = actor.done.empty() ? 0
                                      : actor.done.back().worked_before + actor.done.back().end -
                                            actor.done.back().start;
    actor.done.push_back({kernel.start, kernel.end, before});
    if (actor.frozen)
      actor.hidden.push_back(kernel.length);
    else
      settle_end(&actor, kernel.length);
    start_next();
  }
}

void ArbiterSim::settle_end(Actor* actor, Nanos length) {
  actor->settled += static_cast<Nanos>(static_cast<double>(length) * actor->about.reports);
  actor->predicted_in_flight -=
      static_cast<Nanos>(static_cast<double>(length) * actor->about.predicts);
  --actor->in_flight;
  if (!actor->told_start) actor->started = now_ - length;
  actor->told_start = true;
  actor->stretch = now_;
  actor->est_end = now_ + actor->predicted_in_flight;
  if (actor->in_flight == 0) {
    actor->idle_since = now_;
    bool holds = actor->lease.granted && now_ < actor->lease.end;
    bool told = actor->brief_pauses >= 8 ||
                (actor->idle_told && now_ - actor->idle_told_at < 900 * kMicrosecond);
    if (!holds || (actor->lease.contended && !told)) {
      rung_ = actor->idle_told = true;
      actor->idle_told_at = now_;
    }
  }
  if (actor->ready != INT64_MAX) return;
  // One that launches ahead thinks when all is done.
  if (actor->about.queued && actor->in_flight > 0) return;
  bool thinks = actor->about.burst > 0 && actor->in_burst == 0;
  actor->ready = now_ + (thinks ? actor->about.think : actor->about.gap);
}

Demand ArbiterSim::demand_of(Actor* actor) {
  Demand demand;
  demand.waiting = actor->waiting;
  demand.in_flight = actor->in_flight > 0;
  Nanos stretch = actor->in_flight > 0 && !actor->frozen ? now_ - actor->stretch : 0;
  stretch = static_cast<Nanos>(static_cast<double>(stretch) * actor->about.reports);
  actor->reported = std::max(actor->reported, actor->settled + stretch);
  demand.busy_total = actor->reported;
  demand.est_end = actor->est_end;
  demand.idle_since = actor->idle_since;
  demand.started = actor->started;
  if (!actor->frozen) actor->beat = now_ - now_ % (10 * kMillisecond);
  demand.last_beat = actor->beat;
  return demand;
}

void ArbiterSim::step() {
  rung_ = false;
  ++steps_;
  std::map<TenantId, Demand> demand;
  for (size_t id = 0; id < actors_.size(); ++id) demand[id + 1] = demand_of(&actors_[id]);
  Decision decision = arbiter_.step(now_, demand);
  for (const Publication& p : decision.publish) {
    Actor& actor = actors_[p.tenant - 1];
    bool had = actor.lease.granted && now_ < actor.lease.end;
    actor.lease = p;
    actor.idle_told = false;
    if (!had) actor.lease_seen = now_ + (actor.waiting ? options_.wake : 0);
  }
  next_step_ = decision.next;
  if (next_step_ != 0 && next_step_ <= now_) {
    broken_.push_back("next step is not in the future");
    next_step_ = now_ + kMicrosecond;
  }
  check();
}

void ArbiterSim::check() {
  int holders = 0;
  Nanos first_end = INT64_MAX;
  for (const Actor& actor : actors_) {
    if (!actor.lease.granted || actor.lease.end <= now_) continue;
    ++holders;
    first_end = std::min(first_end, actor.lease.end);
  }
  if (holders > 1) longest_overlap_ = std::max(longest_overlap_, first_end - now_);
  Nanos charged = 0;
  for (size_t id = 0; id < actors_.size(); ++id) charged += arbiter_.use(id + 1).charged;
  if (charged > now_ + kMicrosecond) broken_.push_back("more charged than time has passed");
}

Nanos ArbiterSim::worked(size_t tenant, Nanos from, Nanos to) const {
  const auto& done = actors_[tenant].done;
  auto up_to = [&](Nanos when) -> Nanos {
    auto it = std::partition_point(done.begin(), done.end(),
                                   [when](const Done& d) { return d.start < when; });
    if (it == done.begin()) return 0;
    const Done& last = *std::prev(it);
    return last.worked_before + std::min(when, last.end) - last.start;
  };
  return up_to(to) - up_to(from);
}

double ArbiterSim::share(size_t tenant, Nanos from, Nanos to) const {
  return static_cast<double>(worked(tenant, from, to)) / static_cast<double>(to - from);
}

std::vector<Nanos> ArbiterSim::latencies(size_t tenant, Nanos from, Nanos to, Nanos idle) const {
  const Actor& actor = actors_[tenant];
  std::vector<Nanos> found;
  for (const Request& r : actor.requests)
    if (r.when >= from && r.when < to && r.idle_before >= idle) found.push_back(r.latency);
  // A request that was never served counts up to now.
  Nanos since = actor.waiting_since;
  if (since >= from && since < to && actor.idle_before >= idle) found.push_back(now_ - since);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace flexai::limit
