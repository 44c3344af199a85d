// Account: what one tenant may still use of a card: its guarantee and its ceiling as token buckets,
// and its place in the order of service as virtual time (start-time fair queueing: Goyal, Vin,
// Cheng, SIGCOMM 1996), so that when the card cannot give everybody the promised share the loss is
// spread in proportion. Part of Arbiter, apart so that it can be tested alone.
//
// Units: Nanos of device time; inside, thousandths of them, so that accrual in thousandths of wall
// time is exact. Threads: none.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "model/slice.h"

namespace flexai::limit {

using base::Nanos;

struct ArbiterConfig {
  Nanos lease_min = 1 * base::kMillisecond;
  Nanos lease_max = 6 * base::kMillisecond;
  Nanos round = 16 * base::kMillisecond;  // one round of quanta
  // For a while after somebody's share was changed, turns are shorter, so that the new shares show
  // at once even in short spans of time; long ones cost fewer changes of tenant.
  Nanos settling = 400 * base::kMillisecond;
  Nanos settling_lease_max = 3 * base::kMillisecond;
  Nanos settling_round = 8 * base::kMillisecond;
  Nanos burst = 20 * base::kMillisecond;  // most credit kept while idle or waiting
  Nanos idle_release =
      100 * base::kMicrosecond;  // an idle holder loses its lease after this, if others wait
  // Within its guarantee a holder whose programs usually pause for no longer keeps its lease
  // through the pause, and pays for it: such as ask again when they have seen the end of what they
  // asked before, over a network say, would else wait for everybody's turn each time.
  Nanos longest_pause = 500 * base::kMicrosecond;
  Nanos wake_lead =
      500 * base::kMicrosecond;  // who keeps the card learns it this long before its lease ends
  Nanos silent = 50 * base::kMillisecond;   // a holder without heartbeat loses its lease after this
  Nanos overrun = 50 * base::kMillisecond;  // patience with work in flight beyond its predicted end
  Nanos tick = 1 * base::kMillisecond;      // how often a holder that pauses is looked at
  Nanos open_lease = 40 * base::kMillisecond;  // lease renewed while nobody else waits
  Nanos longest = 1 * base::kSecond;  // a predicted end further away than this is not believed
};

struct Terms {
  model::Qos qos = model::Qos::kElastic;
  uint32_t share_milli = 0;
  uint32_t ceiling_milli = 1000;
  model::Priority priority = model::Priority::kNormal;
  bool paused = false;  // is not served at all
  uint32_t weight() const { return share_milli == 0 ? 1 : share_milli; }
};

// As what a tenant is served, best first.
enum class Band { kGuarantee, kSurplus, kIdleTime, kNone };

class Account {
 public:
  // New terms at `now`; credit is kept, clamped to what the new terms allow to keep.
  void set_terms(const Terms& terms, const ArbiterConfig& config, Nanos now);
  // One pass is accrue(), any number of charge(), settle(). Earns up to `now`.
  void accrue(Nanos now);
  // Limits what is kept. `overrun`: the card was blocked by somebody's long work, so what was
  // earned may pass the cap (the tenant could not have used it).
  void settle(const ArbiterConfig& config, bool overrun);
  // Pays for device time used as `band`. Alone on the card, an elastic tenant pays from its
  // guarantee what there is, and the rest was nobody's.
  void charge(Nanos used, Band band, bool alone);

  // As what it may be served now; `ahead`: if it used the card for that long from now on.
  Band band(Nanos ahead = 0) const;
  // Time until band() is not kNone. REQUIRES: it is.
  Nanos until_served(const ArbiterConfig& config) const;
  // How long a lease should be.
  Nanos quantum(const ArbiterConfig& config) const;
  Nanos lease_length(const ArbiterConfig& config, Band band, Nanos ahead = 0) const;

  // Order within a band: the least goes first.
  double order(Band band, Nanos ahead = 0) const;
  void join(Band band, double least);  // comes back from idleness: no claim on the past

  bool may_take_all() const;
  const Terms& terms() const { return terms_; }
  Nanos credit() const { return credit_ / kMilli; }

 private:
  static constexpr int64_t kMilli = 1000;
  int64_t cap(const ArbiterConfig& config, uint32_t milli) const;
  int64_t threshold(const ArbiterConfig& config) const;

  Terms terms_;
  Nanos accrued_at_ = 0;
  bool opened_ = false;
  Nanos earned_ = 0;           // wall time accrued and not yet settled
  int64_t credit_ = 0;         // guarantee earned and not used, thousandths of nanoseconds
  int64_t room_ = 0;           // likewise of the ceiling
  bool spent_ = false;         // credit ran out and is not yet worth a lease again
  bool full_ = false;          // likewise room
  double guarantee_time_ = 0;  // virtual: device time / weight
  double surplus_time_ = 0;
};

}  // namespace flexai::limit
