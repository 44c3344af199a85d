// Who is given up for being silent, and that a process which was stopped itself blames nobody.
#include "wire/silence.h"

#include <gtest/gtest.h>

#include "wire/patience.h"

namespace flexai::wire {
namespace {

using base::kMillisecond;
using base::kSecond;
using base::Nanos;
using Verdict = Silence::Verdict;

constexpr Nanos kAllowed = 2 * kSecond;
constexpr Nanos kBegin = 1000 * kSecond;

// Waits as a reader does: until what was planned, and `late` longer.
Verdict wait(Silence& silence, Nanos& now, Nanos late = 0) {
  const Nanos planned = silence.plan(now);
  EXPECT_GT(planned, now);
  now = planned + late;
  return silence.waited(planned, now);
}

TEST(Silence, APeerThatOwesBytesIsAskedAndThenGivenUp) {
  Silence silence(kAllowed, false);
  Nanos now = kBegin;
  EXPECT_EQ(silence.plan(now), 0);
  silence.owe(now);
  silence.owe(now + kSecond);  // owed already
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
  EXPECT_EQ(now, kBegin + kAllowed);
  EXPECT_EQ(wait(silence, now), Verdict::kGiveUp);
  EXPECT_EQ(now, kBegin + 2 * kAllowed);
}

TEST(Silence, AQuietPeerThatIsWatchedIsAskedToo) {
  Silence silence(kAllowed, false, true);
  Nanos now = kBegin;
  EXPECT_EQ(silence.waited(silence.plan(now), now + kAllowed), Verdict::kNone);  // woken early
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
  EXPECT_EQ(now, kBegin + 2 * kAllowed);
  silence.heard(now, false);
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
  EXPECT_EQ(wait(silence, now), Verdict::kGiveUp);
  EXPECT_EQ(now, kBegin + 5 * kAllowed);
}

TEST(Silence, AQuietPeerIsNotAskedOfItsOwnHost) {
  Silence silence(kAllowed, true, true);
  EXPECT_EQ(silence.plan(kBegin), 0);
}

TEST(Silence, WhoWasStoppedAsksAQuietPeerAnew) {
  Silence silence(kAllowed, false, true);
  Nanos now = kBegin;
  EXPECT_EQ(wait(silence, now, 100 * kSecond), Verdict::kNone);
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
}

TEST(Silence, ItsAnswerEndsThat) {
  Silence silence(kAllowed, false);
  Nanos now = kBegin;
  silence.owe(now);
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
  silence.heard(now, true);
  EXPECT_EQ(silence.plan(now), now + kAllowed);
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
  silence.settle();
  EXPECT_EQ(silence.plan(now), 0);
  EXPECT_EQ(silence.waited(0, now + 100 * kSecond), Verdict::kNone);
}

TEST(Silence, ShortWaitsAddUp) {
  Silence silence(kAllowed, false);
  Nanos now = kBegin;
  silence.owe(now);
  Verdict verdict = Verdict::kNone;
  while (verdict == Verdict::kNone) {
    const Nanos until = std::min(silence.plan(now), now + kMillisecond);
    now = until + 60 * base::kMicrosecond;  // as timers are
    verdict = silence.waited(until, now);
  }
  EXPECT_EQ(verdict, Verdict::kAsk);
  EXPECT_LT(now, kBegin + kAllowed + 2 * kMillisecond);
}

TEST(Silence, AWaitInWhichThisProcessWasStoppedCountsAsWhatItWasToTake) {
  Silence silence(kAllowed, false);
  Nanos now = kBegin;
  silence.owe(now);
  EXPECT_EQ(wait(silence, now, 6 * kSecond), Verdict::kAsk);
  // Stopped again while the answer is awaited: a whole wait is due from here on.
  Nanos planned = silence.plan(now);
  EXPECT_EQ(planned, now + kAllowed);
  now += kMillisecond;
  EXPECT_EQ(silence.waited(now - 7 * kSecond, now), Verdict::kNone);
  EXPECT_EQ(silence.plan(now), now + kAllowed);
}

TEST(Silence, NeitherDoesAStopBetweenTwoWaits) {
  Silence silence(kAllowed, false);
  Nanos now = kBegin;
  silence.owe(now);
  now += 60 * kSecond;
  EXPECT_GT(silence.plan(now), now);
  EXPECT_EQ(wait(silence, now), Verdict::kAsk);
  now += 60 * kSecond;
  EXPECT_GT(silence.plan(now), now);
  EXPECT_EQ(silence.waited(now + kMillisecond, now + kMillisecond), Verdict::kNone);
  EXPECT_EQ(wait(silence, now), Verdict::kGiveUp);
}

TEST(Silence, WhereTheKernelTellsOfEndsAPeerIsAskedForEver) {
  Silence silence(kAllowed, true);
  Nanos now = kBegin;
  silence.owe(now);
  for (int i = 1; i < 50; ++i) {
    EXPECT_EQ(wait(silence, now), Verdict::kAsk);
    EXPECT_EQ(now, kBegin + i * kAllowed);
  }
}

TEST(Patience, EndsAtItsDeadline) {
  Patience patience(kBegin + kSecond, kBegin);
  Nanos now = kBegin;
  for (; !patience.over(now); now = patience.next(now)) ASSERT_LE(now, kBegin + kSecond);
  EXPECT_EQ(now, kBegin + kSecond);
}

TEST(Patience, AStopDoesNotCount) {
  Patience patience(kBegin + kSecond, kBegin);
  EXPECT_FALSE(patience.over(kBegin + 100 * kMillisecond));
  EXPECT_FALSE(patience.over(kBegin + 60 * kSecond));
  EXPECT_FALSE(patience.over(kBegin + 60 * kSecond + 500 * kMillisecond));
  EXPECT_TRUE(patience.over(kBegin + 61 * kSecond));
}

}  // namespace
}  // namespace flexai::wire
