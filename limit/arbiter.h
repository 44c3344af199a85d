// Arbiter: who may use one card now. Pure decision core: no clock, no I/O, no threads; time comes
// in as an argument, so the same code runs in the agent, in tests with a simulated clock and in
// scenario files.
//
// Unit: device time. Each tenant (slice) holds credit = guarantee x wall time, bounded burst, debt
// carried. The card is leased exclusively for 1-4 ms at a time. Who is next: start-time fair
// queueing (Goyal, Vin, Cheng, SIGCOMM 1996) with the guarantee as weight, which gives deficit
// round robin's shares and carries debt and bursts in one number; in this order:
//   1. tenants within their guarantee, higher priority class first;
//   2. surplus: elastic tenants below their ceiling, by weight;
//   3. besteffort tenants.
// A fixed tenant is never served beyond its guarantee, an elastic one never beyond its ceiling.
//
// What is charged: while others could be served, the whole time a lease is held (whether used or
// not: it kept others out), until the work left in flight is over; while nobody waits, or only
// tenants that their own limits keep out, the device time the tenant reports, at most the wall time
// passed. So a tenant that reports too little gains nothing at the cost of others.
//
// Nobody pays for the change from one tenant to the next: a small slice has a turn as often as a
// large one, so it would lose more of its share by it. A turn is not charged for the time from the
// lease to the card's first work that the *other* tenants needed of late, on average: what a tenant
// says about its own start changes nothing for itself.
//
// Units: Nanos. Threads: none; owned by one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "limit/account.h"

namespace flexai::limit {

using TenantId = uint64_t;  // slice id

// What is known of a tenant at one moment; summed over its processes by the caller.
struct Demand {
  bool waiting = false;    // wants a lease now
  bool in_flight = false;  // has work on the card
  Nanos busy_total = 0;    // device time reported since it exists, monotonic
  Nanos est_end = 0;       // when the work in flight is predicted to end
  Nanos idle_since = 0;
  Nanos last_beat = 0;  // of the liveliest of its processes
  Nanos started =
      0;  // when the card began its first work after the last wait for a lease; told late
};

struct Publication {
  TenantId tenant = 0;
  bool granted = false;
  bool contended = false;
  bool tracked = false;
  Nanos end = 0;
};

struct Decision {
  std::vector<Publication> publish;  // only tenants whose lease word changes
  Nanos next = 0;  // call step() again at this time at the latest; 0 = only when demand changes
};

// For `top`, `explain` and tests.
struct TenantUse {
  Nanos charged = 0;     // device time charged since it exists
  Nanos credit = 0;      // now; negative = debt
  Nanos lease_wait = 0;  // time it wanted a lease and had none
  Nanos throttled = 0;   // part of lease_wait in which only its own ceiling kept it out
  uint64_t leases = 0;
  uint64_t revoked = 0;  // taken early: priority, silence, overrun
};

class Arbiter {
 public:
  explicit Arbiter(ArbiterConfig config = {}) : steady_(config), config_(config) {}

  // Adds a tenant or changes its terms at `now`. Credit is kept, clamped to the new burst.
  void set_terms(TenantId tenant, const Terms& terms, Nanos now);
  void remove(TenantId tenant, Nanos now);

  // One pass: settles what was used since the last one, decides who holds the card. `demand` holds
  // every known tenant; a missing one counts as idle. REQUIRES: `now` never goes back.
  Decision step(Nanos now, const std::map<TenantId, Demand>& demand);

  std::optional<TenantId> holder() const { return holder_; }
  TenantUse use(TenantId tenant) const;

 private:
  struct Tenant {
    Account account;
    Demand demand;
    TenantUse use;
    bool listed = false;  // in the demand of this pass
    bool was_in_flight = false;
    bool wants = false;      // waiting and alive
    bool wanted = false;     // at the pass before
    bool returned = false;   // from idleness, and not served since
    Nanos active_since = 0;  // waiting or in flight without a break
    Nanos last_active = 0;   // last time it was seen to use its lease
    Nanos busy_seen = 0;
    Nanos reported = 0;     // device time told of and not yet accounted for
    Nanos unreported = 0;   // wall time of leases held alone that no report has claimed yet
    Nanos pause = -1;       // between its stretches of work, moving average; -1 = not known
    Nanos start_up = -1;    // from lease to first work on the card, moving average; -1 = not known
    Publication published;  // last one
  };
  // A tenant whose lease is over, or all but over, with work left on the card.
  struct Drain {
    TenantId tenant;
    Band band;
    Nanos end;       // of its lease
    Nanos deadline;  // patience ends
  };

  void set_pace(Nanos now);
  void observe(Nanos now, const std::map<TenantId, Demand>& demand);
  void observe_one(TenantId id, Tenant* tenant, const Demand& demand, Nanos now);
  void learn_start_up(const Demand& demand);
  void learn_pause(Tenant* tenant, Nanos now);
  Nanos idle_release(const Tenant& tenant) const;
  Nanos start_up_of_others(TenantId id) const;
  void settle(Nanos now);
  Nanos settle_drains(Nanos now);
  Nanos holder_used_until(Nanos now) const;
  void pay(Tenant* tenant, Nanos wall, Band band, bool whole);
  void drop_drained(Nanos now);
  void review_holder(Nanos now);
  void cut_for(TenantId best, Nanos now);
  void hand_over(Nanos now);
  void hand_over_contended(Nanos now);
  bool may_follow(TenantId next, Nanos now) const;
  bool overdue(Nanos now) const;
  void keep_alone(Nanos now);
  void renew(Nanos now);
  void grant(TenantId id, Nanos now);
  void end_lease(Nanos now, bool abandoned);
  void announce(TenantId id, bool granted, bool contended, Nanos end);

  std::optional<TenantId> pick(Nanos now, bool with_holder) const;
  bool using_lease(Nanos now) const;
  bool starting(Nanos now) const;
  Nanos ahead(Nanos now) const;
  Nanos predicted_end(const Tenant& tenant, Nanos lease_end, Nanos now) const;
  Nanos drains_end(Nanos now) const;
  bool draining(TenantId id) const;
  bool silent(const Tenant& tenant, Nanos now) const;
  bool others_want(TenantId id) const;
  bool overrun(Nanos now) const;
  double& last_order(const Tenant& tenant, Band band);
  Nanos next_look(Nanos now) const;
  Tenant& at(TenantId id) { return tenants_.at(id); }
  const Tenant& at(TenantId id) const { return tenants_.at(id); }

  const ArbiterConfig steady_;
  ArbiterConfig config_;  // in force: with shorter turns after a change
  Nanos settling_until_ = 0;
  std::map<TenantId, Tenant> tenants_;
  std::vector<TenantId> active_;  // listed in the last demand, or holding, or draining
  Nanos last_ = 0;
  Nanos drained_at_ = 0;

  // The lease. The holder may be past its end while its last work is on the card.
  std::optional<TenantId> holder_;
  Band band_ = Band::kNone;
  bool contended_ = false;  // somebody else waits
  bool keeps_out_ = false;  // and could be served now
  Nanos start_ = 0;         // when the card became its own, or is predicted to
  Nanos length_ = 0;
  Nanos end_ = 0;
  bool fresh_ = false;    // the holder itself has only just returned from idleness
  bool started_ = false;  // it has told of its first work on the card
  Nanos spare_ = 0;       // how much of the turn is still not charged
  Nanos noticed_ = 0;     // the holder's busy_seen when its lease was granted or last renewed
  Nanos noticed_at_ = 0;  // and when that was
  std::vector<Drain> drains_;

  double guarantee_order_[3] = {};  // virtual time of the last one served, by priority
  double surplus_order_ = 0;
  double idle_order_ = 0;
  std::vector<Publication> pending_;
};

}  // namespace flexai::limit
