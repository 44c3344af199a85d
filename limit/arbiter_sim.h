// For tests: tenants and a card in simulated time around a real Arbiter. The card runs one kernel
// at a time in the order submitted; tenants behave as the tenant side of the lease protocol does.
// Deterministic. Units: Nanos. Threads: one.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "limit/arbiter.h"

namespace flexai::limit {

struct SimTenant {
  std::string name;
  Terms terms;
  std::vector<Nanos> kernels = {base::kMillisecond};  // lengths, round and round
  bool queued = true;  // submits ahead; else launches and waits for each kernel
  Nanos gap = 0;       // host time between a kernel's end and the next launch
  int burst = 0;       // kernels before it thinks; 0 = never thinks
  Nanos think = 0;     // idle time after a burst
  Nanos start = 0;
  Nanos stop = INT64_MAX;  // leaves
  double predicts = 1.0;   // predicted length / true length
  double reports = 1.0;    // reported device time / true one
};

struct SimOptions {
  ArbiterConfig config;
  Nanos wake = 60 * base::kMicrosecond;  // from a lease word to a blocked tenant's reaction
  Nanos hand_over = 0;                   // card time lost when the tenant changes
  Nanos in_flight_bound = base::kMillisecond;
};

class ArbiterSim {
 public:
  explicit ArbiterSim(SimOptions options);

  size_t add(const SimTenant& tenant);  // before run()
  // Changes at a time: terms, being stopped by a signal, being continued.
  void at(Nanos when, std::function<void()> what);
  void set_terms(size_t tenant, const Terms& terms);
  void freeze(size_t tenant, bool frozen);

  void run(Nanos until);

  // Work done on the card for `tenant` in [from, to).
  Nanos worked(size_t tenant, Nanos from, Nanos to) const;
  double share(size_t tenant, Nanos from, Nanos to) const;
  // Of all requests made in [from, to) after at least `idle` without work: time from wanting the
  // card to the kernel's start, sorted.
  std::vector<Nanos> latencies(size_t tenant, Nanos from, Nanos to, Nanos idle) const;
  TenantUse use(size_t tenant) const { return arbiter_.use(tenant + 1); }
  uint64_t steps() const { return steps_; }
  // Longest time in which two tenants held unexpired leases.
  Nanos longest_overlap() const { return longest_overlap_; }
  // Rules broken, in words; checked at every step.
  const std::vector<std::string>& broken() const { return broken_; }
  Nanos now() const { return now_; }

 private:
  struct Kernel {
    size_t tenant;
    Nanos length;
    Nanos start = 0, end = 0;
  };
  struct Done {
    Nanos start, end;
    Nanos worked_before;  // sum of all earlier ones
  };
  struct Request {
    Nanos when, latency, idle_before;
  };
  struct Actor {
    SimTenant about;
    Publication lease;
    Nanos lease_seen = 0;  // when it can react to the lease word
    bool alive = false;
    bool frozen = false;
    bool waiting = false;
    bool waited = false;     // for a lease, since it last submitted
    bool idle_told = false;  // rung for being out of work under this lease
    uint32_t brief_pauses = 0;
    Nanos idle_told_at = 0;
    Nanos waiting_since = -1;  // of the request not yet started
    Nanos idle_before = 0;
    uint32_t in_flight = 0;
    Nanos predicted_in_flight = 0;
    Nanos est_end = 0;
    Nanos stretch = 0;
    Nanos idle_since = 0;
    bool told_start = true;  // of the present stretch
    Nanos started = 0;
    Nanos settled = 0;
    Nanos reported = 0;
    Nanos beat = 0;
    Nanos ready = 0;  // when it has its next kernel
    size_t next_kernel = 0;
    int in_burst = 0;
    std::vector<Nanos> hidden;  // ends it will see when it is continued
    std::vector<Done> done;
    std::vector<Request> requests;
  };

  void act(size_t id);
  void submit(size_t id);
  void start_next();
  void complete();
  void settle_end(Actor* actor, Nanos length);
  void step();
  void check();
  Nanos next_event() const;
  Demand demand_of(Actor* actor);

  SimOptions options_;
  Arbiter arbiter_;
  std::vector<Actor> actors_;
  std::multimap<Nanos, std::function<void()>> events_;
  std::deque<Kernel> card_;  // front is running when its end is set
  size_t last_on_card_ = SIZE_MAX;
  Nanos now_ = 1;  // 0 means never in the arbiter's terms
  Nanos next_step_ = 0;
  bool rung_ = false;
  uint64_t steps_ = 0;
  Nanos overlap_since_ = 0;
  Nanos longest_overlap_ = 0;
  std::vector<std::string> broken_;
};

}  // namespace flexai::limit
