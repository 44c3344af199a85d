#include "sched/worth.h"

#include <gtest/gtest.h>

namespace flexai::sched {
namespace {

TEST(Worth, WholeCardsOnlyLeaveNothingForHoles) {
  const auto worth = worth_of_holes({{1000, 5}});
  EXPECT_EQ(worth[1000], 1000);
  EXPECT_EQ(worth[999], 0);
}

TEST(Worth, AHalfIsHalfACard) {
  const auto worth = worth_of_holes({{470, 10}});
  EXPECT_EQ(worth[469], 0);
  EXPECT_EQ(worth[470], 500);
  EXPECT_EQ(worth[939], 500);
  EXPECT_EQ(worth[940], 1000);
}

// 810 leaves 190; a little demand of 160 fits there for nothing, so a hole of 160 is worth nothing.
TEST(Worth, ScarceDemandThatFitsInWasteIsFree) {
  const auto worth = worth_of_holes({{810, 10}, {160, 1}});
  EXPECT_EQ(worth[190], 0);
  EXPECT_EQ(worth[810], 1000);
}

// Much of it needs cards of its own: six a card, and one more beside each 810.
TEST(Worth, PlentifulSmallDemandIsWorthItsPartOfACard) {
  const auto worth = worth_of_holes({{810, 1}, {160, 100}});
  EXPECT_NEAR(worth[160], 167, 1);
  EXPECT_NEAR(worth[810], 833, 1);
}

TEST(Worth, NeverFallsAndNeverExceedsACard) {
  for (int seed = 1; seed < 200; ++seed) {
    std::vector<SizeRate> demand;
    for (int i = 0; i < 1 + seed % 30; ++i)
      demand.push_back({1 + (seed * 7919 + i * 104729) % 1000, 1.0 + (seed * i) % 17});
    const auto worth = worth_of_holes(demand);
    EXPECT_EQ(worth[1000], 1000) << seed;
    for (size_t r = 1; r < worth.size(); ++r) EXPECT_LE(worth[r - 1], worth[r]) << seed;
    // Superadditive: two holes are never worth more than one of their size.
    for (size_t r = 50; r <= 500; r += 50) EXPECT_LE(2 * worth[r], worth[2 * r] + 2) << seed;
  }
}

}  // namespace
}  // namespace flexai::sched
