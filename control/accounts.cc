#include "control/accounts.h"

#include <algorithm>
#include <iterator>

#include "kube/names.h"

namespace flexai::control {

using kube::LeasePhase;

namespace {

constexpr double kMilliHour = 1000.0 * 3600;  // milli-NCU x seconds
constexpr base::Nanos kTogether = 100 * base::kMillisecond;
constexpr base::Nanos kRemembered = 600 * base::kSecond;

double amount(int64_t rate, base::Nanos from, base::Nanos to) {
  return static_cast<double>(rate) * static_cast<double>(to - from) / 1e9;
}

}  // namespace

int64_t ncu_of(const kube::Lease& lease, int64_t card_ncu) {
  if (!lease.has_status) return 0;
  int64_t milli = 0;
  switch (lease.status.phase) {
    case LeasePhase::kRunning:
    case LeasePhase::kFailed:  // of a change: it has what it says
    case LeasePhase::kMoving:
      milli = lease.status.compute_milli;
      break;
    case LeasePhase::kShared:
      milli = lease.status.used_milli.value_or(0);
      break;
    case LeasePhase::kPending:
    case LeasePhase::kSuspended:
    case LeasePhase::kReleased:
    case LeasePhase::kMoved:  // for a moment: the target's agent has not spoken yet
      break;
  }
  return milli * card_ncu / 1000;
}

double Accounts::until(const Account& account, base::Nanos now) const {
  if (!leading_) return account.used;
  return account.used + amount(account.rate, account.since, now);
}

void Accounts::change(const Whose& whose, int64_t by, base::Nanos now) {
  Account& account = accounts_[whose];
  account.used = until(account, now);
  account.since = now;
  account.rate += by;
  bend(&lines_[whose.second], by, now);
}

double Accounts::until(const Line& line, base::Nanos when) {
  const auto after = std::upper_bound(line.points.begin(), line.points.end(), when,
                                      [](base::Nanos t, const Point& p) { return t < p.at; });
  if (after == line.points.begin()) return after == line.points.end() ? 0 : after->used;
  const Point& before = *std::prev(after);
  if (after == line.points.end()) return before.used + amount(line.rate, before.at, when);
  return before.used + (after->used - before.used) * static_cast<double>(when - before.at) /
                           static_cast<double>(after->at - before.at);
}

// Changes that come together make one point.
void Accounts::bend(Line* line, int64_t by, base::Nanos now) {
  std::vector<Point>& points = line->points;
  const Point here{now, until(*line, now)};
  line->rate += by;
  if (points.size() > 1 && now - points[points.size() - 2].at < kTogether)
    points.back() = here;
  else
    points.push_back(here);
  if (points.front().at > now - 2 * kRemembered) return;
  const auto old = std::lower_bound(points.begin(), points.end(), now - kRemembered,
                                    [](const Point& p, base::Nanos t) { return p.at < t; });
  points.erase(points.begin(), std::min(old, std::prev(points.end())));
}

void Accounts::lease(const std::string& key, const kube::Lease* lease, int64_t card_ncu,
                     base::Nanos since, base::Nanos now) {
  const auto known = parts_.find(key);
  const bool fresh = known == parts_.end();
  if (!fresh) {
    change(known->second.whose, -known->second.rate, now);
    parts_.erase(known);
  }
  if (lease == nullptr) return;
  const std::string queue = lease->spec.queue.empty() ? kube::kDefaultQueue : lease->spec.queue;
  const Part part{{lease->ns, queue}, ncu_of(*lease, card_ncu)};
  if (part.rate == 0) return;
  change(part.whose, part.rate, now);
  if (fresh && since < now) lines_[queue].early.push_back({since, now, part.rate});
  parts_[key] = part;
}

void Accounts::lead(bool leading, base::Nanos now) {
  for (auto& [whose, account] : accounts_) {
    account.used = until(account, now);
    account.since = now;
  }
  leading_ = leading;
}

std::map<Accounts::Whose, double> Accounts::hours(base::Nanos now) const {
  std::map<Whose, double> all;
  for (const auto& [whose, account] : accounts_) all[whose] = until(account, now) / kMilliHour;
  return all;
}

double Accounts::between(const std::string& queue, base::Nanos from, base::Nanos to) const {
  const auto at = lines_.find(queue);
  if (at == lines_.end() || to <= from) return 0;
  double used = until(at->second, to) - until(at->second, from);
  for (const Early& one : at->second.early) {
    const base::Nanos begin = std::max(one.from, from), end = std::min(one.to, to);
    if (begin < end) used += amount(one.rate, begin, end);
  }
  return used / kMilliHour;
}

}  // namespace flexai::control
