#include "agent/pace.h"

#include <gtest/gtest.h>

namespace flexai::agent {
namespace {

using base::kSecond;

TEST(Pace, ABurstThenOnceAPeriod) {
  Pace pace(3, 2 * kSecond);
  const base::Nanos start = 1000 * kSecond;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pace.take(start));
  EXPECT_FALSE(pace.take(start));
  EXPECT_FALSE(pace.take(start + kSecond));
  EXPECT_TRUE(pace.take(start + 3 * kSecond));
  EXPECT_FALSE(pace.take(start + 3 * kSecond));
  // Rest is not saved up beyond the burst.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pace.take(start + 1000 * kSecond));
  EXPECT_FALSE(pace.take(start + 1000 * kSecond));
}

TEST(Pace, AClockThatGoesBackGivesNothing) {
  Pace pace(1, kSecond);
  EXPECT_TRUE(pace.take(100 * kSecond));
  EXPECT_FALSE(pace.take(50 * kSecond));
}

}  // namespace
}  // namespace flexai::agent
