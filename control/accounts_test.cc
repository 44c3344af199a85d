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
  accounts.lead(true, 0);
  kube::Lease l = lease(LeasePhase::kRunning, 500);
  accounts.lease("team/l", &l, 2000, 0, 0);
  EXPECT_NEAR(of(accounts, kHour), 1.0, 1e-9) << "half of a card of two NCU, for an hour";
  l.status.compute_milli = 250;
  accounts.lease("team/l", &l, 2000, kHour, kHour);
  EXPECT_NEAR(of(accounts, 2 * kHour), 1.5, 1e-9) << "it was shrunk";
  l = lease(LeasePhase::kSuspended, 0);
  accounts.lease("team/l", &l, 2000, 2 * kHour, 2 * kHour);
  EXPECT_NEAR(of(accounts, 9 * kHour), 1.5, 1e-9) << "it was suspended";
  l = lease(LeasePhase::kShared, 0);
  l.status.used_milli = 100;
  accounts.lease("team/l", &l, 2000, 9 * kHour, 9 * kHour);
  EXPECT_NEAR(of(accounts, 10 * kHour), 1.7, 1e-9) << "what it used of idle time";
  accounts.lease("team/l", nullptr, 2000, 10 * kHour, 10 * kHour);
  EXPECT_NEAR(of(accounts, 20 * kHour), 1.7, 1e-9);
}

TEST(Accounts, AreKeptByWhoLeads) {
  Accounts accounts;
  const kube::Lease l = lease(LeasePhase::kRunning, 1000);
  accounts.lease("team/l", &l, 1000, 0, 0);
  EXPECT_EQ(of(accounts, kHour), 0) << "another one counts";
  accounts.lead(true, kHour);
  EXPECT_NEAR(of(accounts, 2 * kHour), 1.0, 1e-9);
  accounts.lead(false, 2 * kHour);
  EXPECT_NEAR(of(accounts, 9 * kHour), 1.0, 1e-9);
}

TEST(Accounts, AddUpByNamespaceAndQueue) {
  Accounts accounts;
  accounts.lead(true, 0);
  kube::Lease a = lease(LeasePhase::kRunning, 1000), b = a;
  b.ns = "other";
  accounts.lease("team/a", &a, 1000, 0, 0);
  accounts.lease("team/b", &a, 1000, 0, 0);
  accounts.lease("other/c", &b, 1000, 0, 0);
  EXPECT_NEAR(of(accounts, kHour), 2.0, 1e-9);
  EXPECT_NEAR(of(accounts, kHour, "other"), 1.0, 1e-9);
  EXPECT_NEAR(accounts.between("q", 0, kHour), 3.0, 1e-9);
}

// A standby has watched what the leader did not write down any more.
TEST(Accounts, KnowWhatWasUsedBetweenTwoMoments) {
  Accounts accounts;
  kube::Lease l = lease(LeasePhase::kRunning, 1000);
  accounts.lease("team/l", &l, 3600, 10 * kSecond, 10 * kSecond);
  accounts.lease("team/m", &l, 3600, 20 * kSecond, 20 * kSecond);
  accounts.lease("team/l", nullptr, 0, 30 * kSecond, 30 * kSecond);
  const auto used = [&](int from, int to) {
    return accounts.between("q", from * kSecond, to * kSecond) * 1000;
  };
  EXPECT_NEAR(used(0, 10), 0, 1e-9);
  EXPECT_NEAR(used(0, 20), 10, 1e-9);
  EXPECT_NEAR(used(15, 25), 15, 1e-9);
  EXPECT_NEAR(used(0, 40), 40, 1e-9);
  EXPECT_NEAR(used(35, 40), 5, 1e-9);
  EXPECT_NEAR(used(40, 35), 0, 1e-9);
  EXPECT_NEAR(accounts.between("other", 0, kHour), 0, 1e-9);
}

// The one before was killed, and nobody has watched since: what is there has been so.
TEST(Accounts, CountWhatWasGrantedBeforeTheFirstLook) {
  Accounts accounts;
  kube::Lease l = lease(LeasePhase::kRunning, 1000);
  accounts.lease("team/l", &l, 3600, -60 * kSecond, 0);
  accounts.lease("team/m", &l, 3600, -10 * kSecond, 0);
  EXPECT_NEAR(accounts.between("q", -20 * kSecond, 5 * kSecond) * 1000, 40, 1e-9);
  EXPECT_NEAR(accounts.between("q", -100 * kSecond, -30 * kSecond) * 1000, 30, 1e-9);
  l.status.compute_milli = 500;  // it has been seen before: that is from now on
  accounts.lease("team/l", &l, 3600, -60 * kSecond, 5 * kSecond);
  EXPECT_NEAR(accounts.between("q", -20 * kSecond, 15 * kSecond) * 1000, 55, 1e-9);
}

TEST(Accounts, RememberTenMinutesOfManyChanges) {
  Accounts accounts;
  kube::Lease l = lease(LeasePhase::kRunning, 1000);
  for (int second = 0; second < 7200; ++second) {
    const std::string key = "team/" + std::to_string(second);
    accounts.lease(key, &l, 3600, second * kSecond, second * kSecond);
    accounts.lease(key, nullptr, 0, second * kSecond + kSecond / 2, second * kSecond + kSecond / 2);
  }
  EXPECT_NEAR(accounts.between("q", 6600 * kSecond, 7200 * kSecond) * 1000, 300, 1);
  EXPECT_LT(accounts.between("q", 0, 7200 * kSecond) * 1000, 700) << "older is forgotten";
}

}  // namespace
}  // namespace flexai::control
