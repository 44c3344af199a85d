// Accounts: what leases have used, in NCU-hours, by namespace and queue. A lease counts for what it
// is promised now (of a shared one: what it uses), not for what was admitted. Counted while this
// process leads. No clock: times come in. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "kube/lease.h"

namespace flexai::control {

class Accounts {
 public:
  using Whose = std::pair<std::string, std::string>;  // namespace, queue

  // `now`: null: it is gone. `card_ncu`: milli-NCU of its whole card.
  void lease(const std::string& key, const kube::Lease* lease, int64_t card_ncu, base::Nanos now);
  // From then on it is counted, or not.
  void count(bool counting, base::Nanos now);

  // NCU-hours so far.
  std::map<Whose, double> hours(base::Nanos now) const;
  std::map<std::string, double> by_queue(base::Nanos now) const;

 private:
  struct Account {
    double used = 0;   // milli-NCU x seconds
    int64_t rate = 0;  // milli-NCU
    base::Nanos since = 0;
  };
  struct Part {
    Whose whose;
    int64_t rate = 0;
  };
  void change(const Whose& whose, int64_t by, base::Nanos now);
  double until(const Account& account, base::Nanos now) const;

  std::map<Whose, Account> accounts_;
  std::map<std::string, Part> parts_;  // by lease
  bool counting_ = false;
};

// Milli-NCU that a lease takes of its card now.
int64_t ncu_of(const kube::Lease& lease, int64_t card_ncu);

}  // namespace flexai::control
