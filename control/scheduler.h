// Scheduler: the daemon: watches the objects, keeps the World, plans when something has changed,
// has the Binder carry out what was decided and the Reporter tell what was not. Without the lead it
// watches and plans all the same, and writes nothing: a warm standby. Threads: made, used and
// destroyed on the thread of `loop`; figures() there as well. Lifetime: client and loop outlive it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "control/accounts.h"
#include "control/binder.h"
#include "control/histogram.h"
#include "control/ladder.h"
#include "control/queue.h"
#include "control/reporter.h"
#include "control/watches.h"
#include "control/world.h"
#include "kube/client.h"
#include "kube/elector.h"

namespace flexai::control {

struct SchedulerOptions {
  WorldOptions world;
  std::string identity;  // host name and a random part
  std::string ns = "flexai-system";
  bool elect = true;  // false: it leads from the start
};

// Counters since the start, and how things are now.
struct Figures {
  uint64_t scheduled = 0, unschedulable = 0, errors = 0;  // attempts
  uint64_t plans = 0, plan_ns = 0;
  // Of pods that were first seen waiting: until the gate is open, until all claims are allocated.
  Histogram opened{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600};
  Histogram allocated{0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 5, 60};
  size_t pending = 0, waiting = 0, nodes = 0, cards = 0;
  uint64_t told = 0;    // events
  uint64_t writes = 0;  // to the API server
  bool leading = false, synced = false;
  BinderCounts binder;
  LadderCounts ladder;
  std::map<Accounts::Whose, double> ncu_hours;
};

class Scheduler {
 public:
  Scheduler(kube::Client& client, base::Loop& loop, SchedulerOptions options);
  ~Scheduler();

  base::Status start();
  // Gives the lead up, then `done`.
  void stop(std::function<void()> done);
  Figures figures() const;
  // JSON for people and the command line: of one pod, or of all that wait; the queues; the
  // snapshot.
  std::string explain(const std::string& pod) const;
  std::string queues() const;
  std::string snapshot() const;

 private:
  void soon();
  void at(base::Nanos when);
  void cycle();
  bool decide();
  // True: something did not fit after all, and the planner is to be asked again.
  bool carry_out(const sched::Plan& plan);
  bool start(const std::string& unit, const sched::Action& action);
  void learn(const std::string& key, const PodFacts* before, const PodFacts& now);
  void time_from_seen(const std::string& pod, Histogram* to);
  void taken_back(const ClaimFacts& before, const ClaimFacts& now);
  void explain_all(const sched::Plan& plan);
  void report();
  void take_queues();
  int64_t now_ms() const;  // by the API server's clock, as what objects say
  void look_at_clock();
  void write_queues();
  void begin_counting();
  void go_on_counting();
  void write_pools();
  bool leading() const;

  kube::Client& client_;
  base::Loop& loop_;
  const SchedulerOptions options_;
  World world_;
  Binder binder_;
  Reporter reporter_;
  Ladder ladder_;
  std::unique_ptr<Watches> watches_;
  std::unique_ptr<kube::Elector> elector_;
  Figures figures_;
  std::map<std::string, std::string> reasons_;         // of pods that wait
  std::unordered_map<std::string, base::Nanos> seen_;  // waiting since
  std::unordered_map<std::string, int> stumbles_;      // of pods that could not be bound
  std::vector<model::Queue> known_queues_;
  std::map<std::string, std::string> written_status_;
  Accounts accounts_;
  bool watching_ = false, counting_ = false;  // leases; and queues, because it leads
  struct Hours {                              // thousandths of NCU-hours of a queue
    double used = 0;
    base::Nanos until = 0;
    int64_t said = 0;
    std::string said_until;
    base::Nanos when = 0;  // it was said
  };
  std::map<std::string, Hours> hours_;
  Hours hours_of(const QueueFacts& queue, base::Nanos now) const;
  bool queues_dirty_ = true, stopping_ = false;
  std::map<std::string, std::string> written_pools_;
  int64_t told_ahead_ms_ = 0;
  uint64_t pools_seen_ = 0;  // World::changes() then
  base::Nanos explained_ = 0, queues_written_ = 0, pools_next_ = 0;
  base::Loop::TimerId timer_ = 0;
  base::Nanos timer_at_ = 0;
};

}  // namespace flexai::control
