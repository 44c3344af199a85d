// Pacer: the one thread of a Tenant. Beats while there is work, opens gates when the slice may
// submit, notices that the agent is gone and attaches again when it is back, and sleeps in poll(2)
// while the process leaves the card alone.
#pragma once

#include "base/clock.h"

namespace flexai::limit {

class Tenant;

class Pacer {
 public:
  // Starts the thread, with all signals blocked. Failing to start is logged; the tenant then works
  // without the hot path, since that is only opened by a running pacer.
  static void start(Tenant* tenant);

 private:
  explicit Pacer(Tenant* tenant) : tenant_(*tenant) {}
  void run();
  bool active(base::Nanos now);
  void beat(base::Nanos now);
  void reattach(base::Nanos now);
  void sleep_until_work();
  void wait_for_change(base::Nanos now, base::Nanos retry, uint32_t called);

  Tenant& tenant_;
  base::Nanos last_active_ = 0;
  base::Nanos last_try_ = 0;
  base::Nanos gate_wait_since_ = 0;
  uint64_t launches_seen_ = 0;
};

}  // namespace flexai::limit
