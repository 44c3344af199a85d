// Election: who leads, decided from a coordination.k8s.io/v1 Lease. Pure: times come in, what to do
// comes out. No clock but our own is looked at: a lease has run out when we have seen it unchanged
// for its whole duration. A leader's word is good for `renew_deadline` from the moment it *sent*
// the renewal that the server accepted; a follower waits a longer `duration` from when it *saw* it.
// So there are never two as long as clocks run at about the same rate. Source: client-go's
// leaderelection, with the time of sending instead of that of the answer. Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace flexai::kube {

struct LeaseTimes {
  base::Nanos duration = 15 * base::kSecond;        // whole seconds
  base::Nanos renew_deadline = 10 * base::kSecond;  // shorter than duration
  base::Nanos retry_period = 2 * base::kSecond;     // shorter than renew_deadline
};
base::Status check(const LeaseTimes& times);

// What a Lease object says.
struct LeaseRecord {
  std::string holder;  // empty: released
  std::string resource_version, uid;
  std::string acquired, renewed;  // times by the holder's clock; only compared
  int64_t seconds = 0;
  int64_t transitions = 0;
};
base::Result<LeaseRecord> lease_from_json(std::string_view text);
// A Lease object; without resource version for one that is to be created. `body_ns`, `name` as is.
std::string lease_json(const LeaseRecord& record, std::string_view ns, std::string_view name);

class Election {
 public:
  enum class Step { kWait, kCreate, kTake, kRenew };

  Election(std::string identity, const LeaseTimes& times)
      : identity_(std::move(identity)), times_(times) {}

  // The server's answer to a look: the lease, or that there is none. One that was deleted under a
  // holder we know of is waited out all the same: the holder may not know yet.
  Step seen(const LeaseRecord& lease, base::Nanos now);
  Step absent(base::Nanos now) const;

  // What a create, take or renewal writes. `wall`: the present as RFC 3339 with microseconds.
  LeaseRecord record(const std::string& wall) const;
  // The server accepted what was sent at `sent`.
  void held(const LeaseRecord& lease, base::Nanos sent, base::Nanos now);
  // We let it go: somebody else may have it.
  void lost() { until_ = 0; }

  // Until when our word is good; 0: not.
  base::Nanos until() const { return until_; }
  bool leads(base::Nanos now) const { return now < until_; }
  const LeaseRecord& last() const { return last_; }
  const std::string& identity() const { return identity_; }

 private:
  bool free(base::Nanos now) const;

  const std::string identity_;
  const LeaseTimes times_;
  LeaseRecord last_;
  base::Nanos seen_at_ = 0;  // when `last_` was first seen as it is
  base::Nanos until_ = 0;
};

}  // namespace flexai::kube
