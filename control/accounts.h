// Accounts: what leases have used, in NCU-hours, by namespace and queue. A lease counts for what it
// is promised now (of a shared one: what it uses), not for what was admitted. Whoever watches
// leases counts them, whether he leads or not, so that he can say what was used between any two
// moments of the last minutes: who takes the lead goes on from the moment of which the one before
// has said the sum last. Of the time before the first look it is taken that what is there has been
// as it is since it was granted. No clock: times come in, monotonic; they may be negative. Threads:
// one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "kube/lease.h"

namespace flexai::control {

class Accounts {
 public:
  using Whose = std::pair<std::string, std::string>;  // namespace, queue

  // `lease`: null: it is gone. `card_ncu`: milli-NCU of its whole card. `since`: it has been so
  // from then on, of one that is seen for the first time; at most `now`.
  void lease(const std::string& key, const kube::Lease* lease, int64_t card_ncu, base::Nanos since,
             base::Nanos now);
  // From then on this process leads, or does not.
  void lead(bool leading, base::Nanos now);

  // NCU-hours while it led.
  std::map<Whose, double> hours(base::Nanos now) const;
  // NCU-hours of a queue from `from` to `to`, at most now. Watched is not remembered for longer
  // than ten minutes: nothing is known of what was used before.
  double between(const std::string& queue, base::Nanos from, base::Nanos to) const;

 private:
  struct Account {
    double used = 0;   // milli-NCU x seconds, while it led
    int64_t rate = 0;  // milli-NCU
    base::Nanos since = 0;
  };
  struct Point {
    base::Nanos at = 0;
    double used = 0;  // until then
  };
  struct Early {  // before it was watched
    base::Nanos from = 0, to = 0;
    int64_t rate = 0;
  };
  // Of a queue: straight from point to point, and on at `rate`.
  struct Line {
    std::vector<Point> points;
    std::vector<Early> early;
    int64_t rate = 0;
  };
  struct Part {
    Whose whose;
    int64_t rate = 0;
  };
  void change(const Whose& whose, int64_t by, base::Nanos now);
  double until(const Account& account, base::Nanos now) const;
  static double until(const Line& line, base::Nanos when);
  static void bend(Line* line, int64_t by, base::Nanos now);

  std::map<Whose, Account> accounts_;
  std::map<std::string, Line> lines_;
  std::unordered_map<std::string, Part> parts_;  // by lease
  bool leading_ = false;
};

// Milli-NCU that a lease takes of its card now.
int64_t ncu_of(const kube::Lease& lease, int64_t card_ncu);

}  // namespace flexai::control
