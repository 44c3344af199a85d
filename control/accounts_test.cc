#include "control/accounts.h"

#include <gtest/gtest.h>

namespace flexai::control {
namespace {

using base::kSecond;
using kube::LeasePhase;

constexpr base::Nanos kHour = 3600 * kSecond;

kube::Lease lease(LeasePhase phase, uint32_t compute) {
  kube::Lease made;
  made.ns = "team";
  made.spec.queue = "q";
  made.has_status = true;
  made.status.phase = phase;
  made.status.compute_milli = compute;
  return made;
}

double of(const Accounts& accounts, base::Nanos now, const char* ns = "team") {
  const auto all = accounts.hours(now);
  const auto at = all.find({ns, "q"});
  return at == all.end() ? 0 : at->second;
}

TEST(Accounts, FollowWhatALeaseIsPromised) {
  Accounts accounts;
  accounts.count(true, 0);
  kube::Lease l = lease(LeasePhase::kRunning, 500);
  accounts.lease("team/l", &l, 2000, 0);
  EXPECT_NEAR(of(accounts, kHour), 1.0, 1e-9) << "half of a card of two NCU, for an hour";
  l.status.compute_milli = 250;
  accounts.lease("team/l", &l, 2000, kHour);
  EXPECT_NEAR(of(accounts, 2 * kHour), 1.5, 1e-9) << "it was shrunk";
  l = lease(LeasePhase::kSuspended, 0);
  accounts.lease("team/l", &l, 2000, 2 * kHour);
  EXPECT_NEAR(of(accounts, 9 * kHour), 1.5, 1e-9) << "it was suspended";
  l = lease(LeasePhase::kShared, 0);
  l.status.used_milli = 100;
  accounts.lease("team/l", &l, 2000, 9 * kHour);
  EXPECT_NEAR(of(accounts, 10 * kHour), 1.7, 1e-9) << "what it used of idle time";
  accounts.lease("team/l", nullptr, 2000, 10 * kHour);
  EXPECT_NEAR(of(accounts, 20 * kHour), 1.7, 1e-9);
  EXPECT_NEAR(accounts.by_queue(20 * kHour)["q"], 1.7, 1e-9);
}

TEST(Accounts, AreKeptByWhoLeads) {
  Accounts accounts;
  const kube::Lease l = lease(LeasePhase::kRunning, 1000);
  accounts.lease("team/l", &l, 1000, 0);
  EXPECT_EQ(of(accounts, kHour), 0) << "another one counts";
  accounts.count(true, kHour);
  EXPECT_NEAR(of(accounts, 2 * kHour), 1.0, 1e-9);
  accounts.count(false, 2 * kHour);
  EXPECT_NEAR(of(accounts, 9 * kHour), 1.0, 1e-9);
}

TEST(Accounts, AddUpByNamespaceAndQueue) {
  Accounts accounts;
  accounts.count(true, 0);
  kube::Lease a = lease(LeasePhase::kRunning, 1000), b = a;
  b.ns = "other";
  accounts.lease("team/a", &a, 1000, 0);
  accounts.lease("team/b", &a, 1000, 0);
  accounts.lease("other/c", &b, 1000, 0);
  EXPECT_NEAR(of(accounts, kHour), 2.0, 1e-9);
  EXPECT_NEAR(of(accounts, kHour, "other"), 1.0, 1e-9);
  EXPECT_NEAR(accounts.by_queue(kHour)["q"], 3.0, 1e-9);
}

}  // namespace
}  // namespace flexai::control
