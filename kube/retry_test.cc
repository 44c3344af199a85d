#include "kube/retry.h"

#include <gtest/gtest.h>

#include "kube/call.h"
#include "kube/failure.h"
#include "kube/rate_limit.h"

namespace flexai::kube {
namespace {

using base::kMillisecond;
using base::kSecond;

TEST(Backoff, GrowsToItsBoundWithJitterBelow) {
  Backoff backoff(100 * kMillisecond, kSecond, 7);
  base::Nanos step = 100 * kMillisecond;
  for (int i = 0; i < 10; ++i) {
    base::Nanos pause = backoff.next();
    EXPECT_GE(pause, step / 2);
    EXPECT_LE(pause, step);
    step = std::min(step * 2, kSecond);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(), 100 * kMillisecond);
}

TEST(Backoff, TwoDoNotMoveInStep) {
  Backoff one(kSecond, kSecond, fresh_seed()), other(kSecond, kSecond, fresh_seed());
  int same = 0;
  for (int i = 0; i < 20; ++i) same += one.next() == other.next();
  EXPECT_LT(same, 3);
}

Failure answer(int http) { return failure_of(http, "", ""); }

TEST(Repeating, WhatMayHaveBeenDoneOnlyWhenThatDoesNoHarm) {
  const Call get = get_object(kPods, {"a", "b"}), post = create(kPods, "a", "{}");
  Failure cut = no_answer(base::Code::kUnavailable, "cut", false);
  Failure refused = no_answer(base::Code::kUnavailable, "refused", true);
  EXPECT_TRUE(may_repeat(get, cut));
  EXPECT_FALSE(may_repeat(post, cut));
  EXPECT_TRUE(may_repeat(post, refused));
  for (int http : {500, 502, 503, 504}) {
    EXPECT_TRUE(may_repeat(get, answer(http))) << http;
    EXPECT_FALSE(may_repeat(post, answer(http))) << http;
  }
}

TEST(Repeating, NeverAConflictOrAWrongRequest) {
  const Call put = replace(kPods, {"a", "b"}, "{}");
  for (int http : {400, 401, 403, 404, 409, 410, 422})
    EXPECT_FALSE(may_repeat(put, answer(http))) << http;
}

TEST(Repeating, ThrottlingIsWaitedOutButForEvictions) {
  EXPECT_TRUE(may_repeat(create(kPods, "a", "{}"), answer(429)));
  EXPECT_FALSE(may_repeat(evict({"a", "b"}), answer(429)));
}

TEST(Repeating, NotWhatTryingAgainCannotHelp) {
  const Call get = get_path("/version");
  for (auto code : {base::Code::kDenied, base::Code::kExhausted, base::Code::kInvalid})
    EXPECT_FALSE(may_repeat(get, no_answer(code, "x", true)));
}

TEST(TokenBucket, BurstThenRate) {
  TokenBucket bucket(10, 5);
  base::Nanos now = kSecond;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.take(now), 0);
  base::Nanos wait = bucket.take(now);
  EXPECT_NEAR(static_cast<double>(wait), 1e8, 10);
  EXPECT_NE(bucket.take(now + wait / 2), 0);
  EXPECT_EQ(bucket.take(now + wait), 0);
  // In ten seconds no more than burst + rate x time.
  int taken = 0;
  for (base::Nanos t = now + kSecond; t < now + 11 * kSecond; t += kMillisecond)
    taken += bucket.take(t) == 0;
  EXPECT_NEAR(taken, 105, 1);
}

TEST(TokenBucket, NoRateIsNoLimitAndAClockThatStandsStillGivesNothing) {
  TokenBucket none(0, 1), one(1, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(none.take(1), 0);
  EXPECT_EQ(one.take(5), 0);
  EXPECT_NE(one.take(5), 0);
  EXPECT_NE(one.take(3), 0);
}

}  // namespace
}  // namespace flexai::kube
