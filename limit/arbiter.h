// Arbiter: who may use one card now. Pure decision core: no clock, no I/O, no threads; time comes
// in as an argument, so the same code runs in the agent, in tests with a simulated clock and in
// scenario files.
//
// Unit: device time. Each tenant (slice) holds credit = guarantee x wall time, bounded burst, debt
// carried. The card is leased exclusively for 1-5 ms at a time, by deficit round robin (Shreedhar,
// Varghese, SIGCOMM 1995, quantum proportional to the guarantee) in this order:
//   1. tenants within their guarantee, higher priority class first;
//   2. surplus: elastic tenants below their ceiling, by weight;
//   3. besteffort tenants.
// A fixed tenant is never served beyond its guarantee, an elastic one never beyond its ceiling.
//
// What is charged: while others wait, the whole time a lease is held (whether used or not: it kept
// others out), until the work left in flight is over; while nobody waits, the device time the
// tenant reports, at most the wall time passed. So a tenant that reports too little gains nothing
// at the cost of others.
//
// Units: Nanos. Threads: none; owned by one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "model/slice.h"

namespace flexai::limit {

using base::Nanos;
using TenantId = uint64_t;  // slice id

struct ArbiterConfig {
  Nanos lease_min = 1 * base::kMillisecond;
  Nanos lease_max = 5 * base::kMillisecond;
  Nanos round = 10 * base::kMillisecond;  // one round of quanta
  Nanos burst = 20 * base::kMillisecond;  // most credit kept while idle or waiting
  Nanos idle_release =
      100 * base::kMicrosecond;  // an idle holder loses its lease after this, if others wait
  Nanos wake_lead =
      200 * base::kMicrosecond;  // the next tenant is woken this long before the last work ends
  Nanos silent = 50 * base::kMillisecond;   // a holder without heartbeat loses its lease after this
  Nanos overrun = 50 * base::kMillisecond;  // patience with work in flight beyond its predicted end
  Nanos tick = 500 * base::kMicrosecond;    // how often a contended holder is looked at
  Nanos open_lease = 20 * base::kMillisecond;  // lease renewed while nobody else waits
};

struct Terms {
  model::Qos qos = model::Qos::kElastic;
  uint32_t share_milli = 0;
  uint32_t ceiling_milli = 1000;
  model::Priority priority = model::Priority::kNormal;
  uint32_t weight() const { return share_milli == 0 ? 1 : share_milli; }
};

// What is known of a tenant at one moment; summed over its processes by the caller.
struct Demand {
  bool waiting = false;    // wants a lease now
  bool in_flight = false;  // has work on the card
  Nanos busy_total = 0;    // device time reported since it exists, monotonic
  Nanos est_end = 0;       // when the work in flight is predicted to end
  Nanos idle_since = 0;
  Nanos last_beat = 0;  // of the liveliest of its processes
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
  explicit Arbiter(ArbiterConfig config = {}) : config_(config) {}

  // Adds a tenant or changes its terms at `now`. Credit is kept, clamped to the new burst.
  void set_terms(TenantId tenant, const Terms& terms, Nanos now);
  void remove(TenantId tenant, Nanos now);

  // One pass: settles what was used since the last one, decides who holds the card. `demand` holds
  // every known tenant; a missing one counts as idle. REQUIRES: `now` never goes back.
  Decision step(Nanos now, const std::map<TenantId, Demand>& demand);

  std::optional<TenantId> holder() const { return holder_; }
  TenantUse use(TenantId tenant) const;

 private:
  ArbiterConfig config_;
  std::optional<TenantId> holder_;
};

}  // namespace flexai::limit
