#include "control/accounts.h"

#include "kube/names.h"

namespace flexai::control {

using kube::LeasePhase;

int64_t ncu_of(const kube::Lease& lease, int64_t card_ncu) {
  if (!lease.has_status) return 0;
  int64_t milli = 0;
  switch (lease.status.phase) {
    case LeasePhase::kRunning:
    case LeasePhase::kFailed:  // of a change: it has what it says
      milli = lease.status.compute_milli;
      break;
    case LeasePhase::kShared:
      milli = lease.status.used_milli.value_or(0);
      break;
    case LeasePhase::kPending:
    case LeasePhase::kSuspended:
    case LeasePhase::kReleased:
      break;
  }
  return milli * card_ncu / 1000;
}

double Accounts::until(const Account& account, base::Nanos now) const {
  if (!counting_) return account.used;
  return account.used +
         static_cast<double>(account.rate) * static_cast<double>(now - account.since) / 1e9;
}

void Accounts::change(const Whose& whose, int64_t by, base::Nanos now) {
  Account& account = accounts_[whose];
  account.used = until(account, now);
  account.since = now;
  account.rate += by;
}

void Accounts::lease(const std::string& key, const kube::Lease* lease, int64_t card_ncu,
                     base::Nanos now) {
  if (const auto at = parts_.find(key); at != parts_.end()) {
    change(at->second.whose, -at->second.rate, now);
    parts_.erase(at);
  }
  if (lease == nullptr) return;
  const std::string queue = lease->spec.queue.empty() ? kube::kDefaultQueue : lease->spec.queue;
  const Part part{{lease->ns, queue}, ncu_of(*lease, card_ncu)};
  if (part.rate == 0) return;
  change(part.whose, part.rate, now);
  parts_[key] = part;
}

void Accounts::count(bool counting, base::Nanos now) {
  for (auto& [whose, account] : accounts_) {
    account.used = until(account, now);
    account.since = now;
  }
  counting_ = counting;
}

std::map<Accounts::Whose, double> Accounts::hours(base::Nanos now) const {
  std::map<Whose, double> all;
  for (const auto& [whose, account] : accounts_) all[whose] = until(account, now) / 1000 / 3600;
  return all;
}

std::map<std::string, double> Accounts::by_queue(base::Nanos now) const {
  std::map<std::string, double> all;
  for (const auto& [whose, hours] : hours(now)) all[whose.second] += hours;
  return all;
}

}  // namespace flexai::control
