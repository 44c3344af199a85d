#include "limit/arbiter.h"

#include <algorithm>

namespace flexai::limit {
namespace {

// The most unclaimed time of leases held alone: reports come at the latest with the end of a batch.
constexpr Nanos kMostUnreported = 2 * base::kSecond;
constexpr Nanos kLongestStartUp = 200 * base::kMicrosecond;  // more is the tenant's own slowness
constexpr Nanos kStartUpsAveraged = 16;
constexpr Nanos kPausesAveraged = 8;

int priority_index(const Account& account) {
  return std::clamp(static_cast<int>(account.terms().priority), 0, 2);
}

bool outranks(const Account& one, const Account& other) {
  return one.band() == Band::kGuarantee && priority_index(one) > priority_index(other);
}

}  // namespace

void Arbiter::set_terms(TenantId tenant, const Terms& terms, Nanos now) {
  auto known = tenants_.find(tenant);
  if (known != tenants_.end() && known->second.account.terms().share_milli != terms.share_milli)
    settling_until_ = now + config_.settling;
  tenants_[tenant].account.set_terms(terms, config_, now);
}

void Arbiter::remove(TenantId tenant, Nanos now) {
  if (tenants_.count(tenant) == 0) return;
  if (last_ != 0 && now > last_) settle(now);
  if (holder_ == tenant) holder_.reset();
  std::erase_if(drains_, [&](const Drain& d) { return d.tenant == tenant; });
  std::erase(active_, tenant);
  tenants_.erase(tenant);
}

TenantUse Arbiter::use(TenantId tenant) const {
  auto it = tenants_.find(tenant);
  if (it == tenants_.end()) return {};
  TenantUse use = it->second.use;
  use.credit = it->second.account.credit();
  return use;
}

Decision Arbiter::step(Nanos now, const std::map<TenantId, Demand>& demand) {
  if (last_ == 0 || last_ > now) last_ = now;
  pending_.clear();
  set_pace(now);
  observe(now, demand);
  settle(now);
  drop_drained(now);
  review_holder(now);
  hand_over(now);
  if (holder_) announce(*holder_, true, contended_, end_);
  keeps_out_ = pick(now, false).has_value();
  Decision decision;
  for (const Publication& p : pending_) {
    Publication& last = at(p.tenant).published;
    bool same = last.tenant == p.tenant && last.granted == p.granted &&
                last.contended == p.contended && last.tracked == p.tracked && last.end == p.end;
    if (same) continue;
    last = p;
    decision.publish.push_back(p);
  }
  decision.next = next_look(now);
  return decision;
}

void Arbiter::set_pace(Nanos now) {
  bool settling = now < settling_until_;
  config_.round = settling ? std::min(steady_.round, steady_.settling_round) : steady_.round;
  config_.lease_max =
      settling ? std::min(steady_.lease_max, steady_.settling_lease_max) : steady_.lease_max;
}

// --- what is known -------------------------------------------------------------------------------

void Arbiter::observe(Nanos now, const std::map<TenantId, Demand>& demand) {
  for (TenantId id : active_) at(id).listed = false;
  std::vector<TenantId> active;
  for (const auto& [id, what] : demand) {
    auto it = tenants_.find(id);
    if (it == tenants_.end()) continue;
    it->second.listed = true;
    observe_one(id, &it->second, what, now);
    active.push_back(id);
  }
  for (TenantId id : active_) {
    Tenant& tenant = at(id);
    if (tenant.listed) continue;
    Demand quiet;
    quiet.busy_total = tenant.busy_seen;
    quiet.idle_since = now;
    observe_one(id, &tenant, quiet, now);
    if (holder_ == id || draining(id)) active.push_back(id);
  }
  active_ = std::move(active);
}

void Arbiter::learn_start_up(const Demand& demand) {
  if (started_ || demand.started <= start_) return;
  started_ = true;
  Nanos took = std::min(demand.started - start_, kLongestStartUp);
  Nanos& average = at(*holder_).start_up;
  average = average < 0 ? took : average + (took - average) / kStartUpsAveraged;
}

// Seen without a lease, when it asks for one: with a lease it does not say when it goes on. A
// longer one is a rest, and says the same of the next whatever its length.
void Arbiter::learn_pause(Tenant* tenant, Nanos now) {
  const Nanos took = std::clamp<Nanos>(now - tenant->last_active, 0, 2 * config_.longest_pause);
  Nanos& average = tenant->pause;
  average = average < 0 ? took : average + (took - average) / kPausesAveraged;
}

// How long it may hold its lease without work while others wait.
Nanos Arbiter::idle_release(const Tenant& tenant) const {
  if (tenant.pause < 0 || band_ != Band::kGuarantee) return config_.idle_release;
  const Nanos enough = tenant.pause + tenant.pause / 2;
  return enough <= config_.longest_pause ? std::max(enough, config_.idle_release)
                                         : config_.idle_release;
}

Nanos Arbiter::start_up_of_others(TenantId id) const {
  Nanos sum = 0, known = 0;
  for (TenantId other : active_) {
    if (other == id || at(other).start_up < 0) continue;
    sum += at(other).start_up;
    ++known;
  }
  return known == 0 ? 0 : sum / known;
}

void Arbiter::observe_one(TenantId id, Tenant* tenant, const Demand& demand, Nanos now) {
  bool was_active = tenant->demand.waiting || tenant->demand.in_flight;
  bool wanted = tenant->wanted = tenant->wants;
  tenant->was_in_flight = tenant->demand.in_flight;
  tenant->demand = demand;
  if (!was_active) tenant->active_since = now;
  // A paused one waits for its owner, not for the card.
  tenant->wants = demand.waiting && !tenant->account.terms().paused && !silent(*tenant, now);
  tenant->reported += std::max<Nanos>(demand.busy_total - tenant->busy_seen, 0);
  tenant->busy_seen = demand.busy_total;
  if (holder_ == id) learn_start_up(demand);

  if (demand.in_flight)
    tenant->last_active = now;
  else
    tenant->last_active =
        std::max(tenant->last_active, std::min(now, std::max(demand.idle_since, Nanos{0})));

  if (tenant->wants && !wanted && holder_ != id && !draining(id)) {
    tenant->returned = now - tenant->last_active >= config_.lease_max;
    learn_pause(tenant, now);
    tenant->account.accrue(now);
    tenant->account.join(Band::kGuarantee, last_order(*tenant, Band::kGuarantee));
    tenant->account.join(Band::kSurplus, last_order(*tenant, Band::kSurplus));
  }
}

bool Arbiter::silent(const Tenant& tenant, Nanos now) const {
  if (!tenant.demand.waiting && !tenant.demand.in_flight) return false;
  Nanos beat = std::max(std::min(tenant.demand.last_beat, now), tenant.active_since);
  return now - beat >= config_.silent;
}

bool Arbiter::draining(TenantId id) const {
  return std::any_of(drains_.begin(), drains_.end(),
                     [id](const Drain& d) { return d.tenant == id; });
}

bool Arbiter::others_want(TenantId id) const {
  return std::any_of(active_.begin(), active_.end(),
                     [&](TenantId other) { return other != id && at(other).wants; });
}

// Somebody's work keeps, or since the last pass kept, the card beyond what the in-flight bound
// explains.
bool Arbiter::overrun(Nanos now) const {
  auto beyond = [&](const Tenant& tenant, Nanos end) {
    Nanos until = tenant.demand.in_flight ? now
                  : tenant.was_in_flight  ? tenant.demand.idle_since
                                          : 0;
    return until > end + config_.lease_min;
  };
  for (const Drain& d : drains_)
    if (beyond(at(d.tenant), d.end)) return true;
  return holder_ && contended_ && beyond(at(*holder_), end_);
}

double& Arbiter::last_order(const Tenant& tenant, Band band) {
  if (band == Band::kGuarantee) return guarantee_order_[priority_index(tenant.account)];
  return tenant.account.terms().qos == model::Qos::kBestEffort ? idle_order_ : surplus_order_;
}

// --- who pays ------------------------------------------------------------------------------------

void Arbiter::settle(Nanos now) {
  bool blocked = overrun(now);
  for (TenantId id : active_) {
    Tenant& tenant = at(id);
    if (tenant.wanted && holder_ != id) {
      tenant.use.lease_wait += now - last_;
      if (tenant.account.band() == Band::kNone) tenant.use.throttled += now - last_;
    }
    tenant.account.accrue(now);
  }
  drained_at_ = settle_drains(now);
  if (holder_) {
    Nanos wall = holder_used_until(now) - drained_at_;
    Nanos spared = keeps_out_ ? std::min(spare_, wall) : 0;
    spare_ -= spared;
    pay(&at(*holder_), wall - spared, band_, keeps_out_);
  }
  for (TenantId id : active_) {
    Tenant& tenant = at(id);
    if (holder_ != id && !draining(id)) {
      if (tenant.reported > 0) pay(&tenant, 0, Band::kGuarantee, false);  // a late report
      tenant.reported = 0;
    }
    tenant.account.settle(config_, blocked);
  }
  last_ = now;
}

// After its lease a holder pays while its work is on the card, like one that has left it.
Nanos Arbiter::holder_used_until(Nanos now) const {
  const Tenant& tenant = at(*holder_);
  if (!keeps_out_ || tenant.demand.in_flight || now <= end_) return now;
  return std::clamp(std::max(tenant.demand.idle_since, end_), std::min(drained_at_, now), now);
}

// Charges [last_, now] to work left on the card; returns from when on the card was free of it.
Nanos Arbiter::settle_drains(Nanos now) {
  Nanos from = last_;
  for (const Drain& d : drains_) {
    Tenant& tenant = at(d.tenant);
    Nanos until = now;
    if (!tenant.demand.in_flight) {
      if (!tenant.was_in_flight) continue;
      until = std::clamp(tenant.demand.idle_since, from, now);
    }
    pay(&tenant, until - from, d.band, keeps_out_ || holder_);
    from = until;
  }
  return from;
}

// What is told beyond the time that can be charged now is kept: a stretch may have begun behind
// another tenant's work, and then the next report falls short by as much.
void Arbiter::pay(Tenant* tenant, Nanos wall, Band band, bool whole) {
  Nanos told = tenant->reported;
  Nanos used = 0;
  if (whole) {
    Nanos late = std::clamp<Nanos>(told - wall, 0, tenant->unreported);
    tenant->unreported -= late;
    used = wall + late;
  } else {
    tenant->unreported = std::min(tenant->unreported + wall, kMostUnreported);
    used = std::min(told, tenant->unreported);
    tenant->unreported -= used;
  }
  tenant->reported = std::max<Nanos>(told - used, 0);
  tenant->account.charge(used, band, !whole);
  tenant->use.charged += used;
}

// --- what is still on the card -------------------------------------------------------------------

Nanos Arbiter::predicted_end(const Tenant& tenant, Nanos lease_end, Nanos now) const {
  if (!tenant.demand.in_flight) return now;
  Nanos latest = std::max(lease_end + config_.longest, now);
  return std::clamp(tenant.demand.est_end, now, latest);
}

Nanos Arbiter::drains_end(Nanos now) const {
  Nanos end = now;
  for (const Drain& d : drains_) end = std::max(end, predicted_end(at(d.tenant), d.end, now));
  return end;
}

void Arbiter::drop_drained(Nanos now) {
  if (drains_.empty()) return;
  bool blocked = false;
  std::erase_if(drains_, [&](const Drain& d) {
    Tenant& tenant = at(d.tenant);
    if (!tenant.demand.in_flight) return true;
    if (now >= d.deadline || silent(tenant, now)) {
      ++tenant.use.revoked;
      return true;
    }
    blocked = true;
    return false;
  });
  if (!holder_) return;
  // The new holder has its full length from when the card is its own.
  if (blocked) {
    if (end_ - now < length_ / 2) end_ = now + length_;
  } else if (start_ < drained_at_) {
    start_ = drained_at_;
    end_ = std::max(end_, start_ + length_);
  }
}

// --- the holder ----------------------------------------------------------------------------------

// Still on its way to the first use of its lease.
bool Arbiter::starting(Nanos now) const {
  const Tenant& tenant = at(*holder_);
  return tenant.demand.waiting && !tenant.demand.in_flight && tenant.busy_seen == noticed_ &&
         now < start_ + config_.lease_max;
}

// Whether the holder has use for its lease: works, is about to, or has only just stopped.
bool Arbiter::using_lease(Nanos now) const {
  const Tenant& tenant = at(*holder_);
  if (tenant.demand.in_flight || starting(now)) return true;
  return now - std::max(tenant.last_active, start_) < idle_release(tenant);
}

Nanos Arbiter::ahead(Nanos now) const {
  if (!contended_) return 0;
  return std::max<Nanos>(std::max(end_, predicted_end(at(*holder_), end_, now)) - now, 0);
}

void Arbiter::review_holder(Nanos now) {
  if (!holder_) return;
  Tenant& tenant = at(*holder_);
  if (silent(tenant, now)) {
    ++tenant.use.revoked;
    end_lease(now, true);
    return;
  }
  if (tenant.account.terms().paused) {
    end_lease(now, false);
    return;
  }
  bool others = others_want(*holder_);
  if (others && !contended_) {
    length_ = tenant.account.quantum(config_);
    end_ = std::min(end_, std::max(now, start_ + length_));
  }
  contended_ = others;
  if (!others) return;
  std::optional<TenantId> best = pick(now, false);
  if (best) cut_for(*best, now);
}

// Shortens the lease where `best`, the first of the others, need not wait for its end.
void Arbiter::cut_for(TenantId best, Nanos now) {
  Tenant& tenant = at(*holder_);
  const Account& other = at(best).account;
  Band band = other.band();
  bool outranked = outranks(other, tenant.account);
  bool leftover = band_ == Band::kIdleTime && band != Band::kIdleTime;
  // At most once per lease_max of idleness, so this does not chop up what others do.
  bool settled_in = !fresh_ || now >= start_ + config_.lease_min;
  bool returned = band == Band::kGuarantee && at(best).returned && settled_in;
  bool idle = drains_.empty() && !using_lease(now);
  if (outranked || leftover || returned || idle) {
    if (end_ > now && outranked) ++tenant.use.revoked;
    end_ = std::min(end_, now);
    return;
  }
  bool behind = band == Band::kGuarantee && band_ == Band::kSurplus &&
                other.credit() >= other.quantum(config_);
  if (behind) end_ = std::min(end_, std::max(now, start_ + config_.lease_min));
}

void Arbiter::hand_over(Nanos now) {
  if (holder_ && !contended_) keep_alone(now);
  if (holder_ && contended_) hand_over_contended(now);
  if (holder_) return;
  std::optional<TenantId> next = pick(now, false);
  if (next && may_follow(*next, now)) grant(*next, now);
}

// Is the card free for it? Two tenants' work on it at once slows both down, in a way nobody could
// be charged for. A higher priority does not wait for what is in flight, which is little: its work
// is behind that on the card before the card is free. Drains are dropped when they are overdue.
bool Arbiter::may_follow(TenantId next, Nanos now) const {
  auto gone = [&](const Tenant& tenant) {
    return !tenant.demand.in_flight || outranks(at(next).account, tenant.account);
  };
  for (const Drain& d : drains_)
    if (!gone(at(d.tenant))) return false;
  return !holder_ || gone(at(*holder_)) || overdue(now);
}

// The holder's work has kept the card for too long after its lease.
bool Arbiter::overdue(Nanos now) const {
  const Demand& demand = at(*holder_).demand;
  Nanos end = std::clamp(demand.est_end, end_, end_ + config_.longest);
  return demand.in_flight && now >= end + config_.overrun;
}

void Arbiter::hand_over_contended(Nanos now) {
  if (now < end_ - config_.wake_lead) return;
  // Slow to wake up: on a busy host a turn must not be lost to that.
  if (starting(now) && end_ >= start_ + length_ && end_ - now < config_.lease_min) {
    end_ = now + config_.lease_min;
    length_ = end_ - start_;
    return;
  }
  std::optional<TenantId> next = pick(now, true);
  if (next == holder_) {
    renew(now);
  } else if (next) {
    if (now < end_ || !may_follow(*next, now)) return;
    bool abandoned = overdue(now);
    if (abandoned) ++at(*holder_).use.revoked;
    end_lease(now, abandoned);
    grant(*next, now);
  } else if (now >= end_) {
    end_lease(now, false);
  }
}

// Nobody else waits: an open lease, or one that follows the ceiling.
void Arbiter::keep_alone(Nanos now) {
  const Tenant& tenant = at(*holder_);
  bool active = tenant.wants || tenant.demand.in_flight || tenant.busy_seen != noticed_;
  bool open = tenant.account.may_take_all();
  Nanos length =
      open ? config_.open_lease : tenant.account.lease_length(config_, tenant.account.band());
  Nanos margin = open ? config_.open_lease / 2 : config_.wake_lead;
  if (tenant.account.band() == Band::kNone) {
    end_ = std::min(end_, now);
  } else if (!open && end_ > now + length) {
    end_ = now + length;
  } else if (active && end_ - now <= margin) {
    renew(now);
  }
  if (now >= end_) end_lease(now, false);
}

void Arbiter::renew(Nanos now) {
  const Tenant& tenant = at(*holder_);
  Nanos more = ahead(now);
  bool open = !contended_ && tenant.account.may_take_all();
  band_ = tenant.account.band(more);
  if (band_ == Band::kNone) band_ = tenant.account.band();
  length_ = open ? config_.open_lease : tenant.account.lease_length(config_, band_, more);
  start_ = open ? start_ : std::max(now, end_);
  end_ = open ? now + length_ : start_ + length_;
  noticed_ = tenant.busy_seen;
  noticed_at_ = now;
  fresh_ = false;
}

void Arbiter::grant(TenantId id, Nanos now) {
  Tenant& tenant = at(id);
  holder_ = id;
  contended_ = others_want(id);
  band_ = tenant.account.band();
  bool open = !contended_ && tenant.account.may_take_all();
  length_ = open ? config_.open_lease : tenant.account.lease_length(config_, band_);
  start_ = std::max(now, drains_end(now));
  end_ = start_ + length_;
  noticed_ = tenant.busy_seen;
  noticed_at_ = now;
  started_ = false;
  spare_ = contended_ ? start_up_of_others(id) : 0;
  fresh_ = tenant.returned;
  tenant.returned = false;
  ++tenant.use.leases;
  double& order = last_order(tenant, band_);
  order = std::max(order, tenant.account.order(band_));
}

// `abandoned`: do not wait for its work. The lease ends now, even if little of it is left: work
// submitted behind that of the next holder would be charged to the wrong one.
void Arbiter::end_lease(Nanos now, bool abandoned) {
  TenantId id = *holder_;
  const Tenant& tenant = at(id);
  end_ = std::min(end_, now);
  if (tenant.published.granted && tenant.published.end > end_)
    announce(id, !abandoned, contended_, end_);
  if (!abandoned && tenant.demand.in_flight) {
    Nanos deadline = predicted_end(tenant, end_, now) + config_.overrun;
    drains_.push_back({id, band_, end_, deadline});
  }
  holder_.reset();
}

void Arbiter::announce(TenantId id, bool granted, bool contended, Nanos end) {
  Publication p{id, granted, contended, !at(id).account.may_take_all(), end};
  auto it = std::find_if(pending_.begin(), pending_.end(),
                         [id](const Publication& other) { return other.tenant == id; });
  if (it == pending_.end())
    pending_.push_back(p);
  else
    *it = p;
}

// --- who is next ---------------------------------------------------------------------------------

std::optional<TenantId> Arbiter::pick(Nanos now, bool with_holder) const {
  struct Key {
    Band band;
    int priority;
    double order;
    bool operator<(const Key& other) const {
      if (band != other.band) return band < other.band;
      if (priority != other.priority) return priority > other.priority;
      return order < other.order;
    }
  };
  std::optional<TenantId> best;
  Key best_key{};
  for (TenantId id : active_) {
    const Tenant& tenant = at(id);
    bool holds = holder_ == id;
    if (holds ? !with_holder || !using_lease(now) : !tenant.wants || draining(id)) continue;
    Nanos more = holds ? ahead(now) : 0;
    Band band = tenant.account.band(more);
    if (band == Band::kNone) continue;
    int priority = band == Band::kGuarantee ? priority_index(tenant.account) : 0;
    Key key{band, priority, tenant.account.order(band, more)};
    if (best && !(key < best_key)) continue;
    best = id;
    best_key = key;
  }
  return best;
}

Nanos Arbiter::next_look(Nanos now) const {
  Nanos next = 0;
  auto consider = [&](Nanos when) {
    when = std::max(when, now + 10 * base::kMicrosecond);
    if (next == 0 || when < next) next = when;
  };
  if (holder_ && !contended_) {
    bool open = at(*holder_).account.may_take_all();
    Nanos renewal = end_ - (open ? config_.open_lease / 2 : config_.wake_lead);
    consider(renewal > now ? renewal : end_);
  } else if (holder_) {
    const Tenant& tenant = at(*holder_);
    // One that keeps the card busy rings when it is out of work; any other is looked at.
    bool streams = tenant.demand.in_flight && tenant.demand.idle_since <= noticed_at_;
    consider(now + (streams ? config_.lease_max : config_.tick));
    if (!tenant.demand.in_flight && drains_.empty() && !starting(now))
      consider(std::max(tenant.last_active, start_) + idle_release(tenant));
    // A look costs the work on the card a little. While there is work beyond the end of the lease,
    // only its renewal is to be decided; who follows, once it has rung that it is out of work.
    Nanos done = std::max(end_, predicted_end(tenant, end_, now));
    if (now < done - config_.wake_lead)
      consider(done - config_.wake_lead);
    else if (now < end_)
      consider(end_);
  }
  if (!drains_.empty()) consider(now + config_.lease_max);  // it rings when it is over
  for (TenantId id : active_) {
    const Tenant& tenant = at(id);
    if (holder_ == id || !tenant.wants || tenant.account.band() != Band::kNone) continue;
    consider(now + tenant.account.until_served(config_));
  }
  return next;
}

}  // namespace flexai::limit
