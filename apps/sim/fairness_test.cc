#include "apps/sim/fairness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flexai::apps::sim {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

auto about(double value) { return DoubleNear(value, 1e-9); }

TEST(WaterFilling, SharesByWeight) {
  EXPECT_THAT(water_filling({{1, 100}, {3, 100}}, 40), ElementsAre(about(10), about(30)));
}

// What one does not ask for goes to the others, by their weights.
TEST(WaterFilling, NobodyGetsMoreThanHeAsksFor) {
  EXPECT_THAT(water_filling({{1, 100}, {3, 6}, {1, 100}}, 40),
              ElementsAre(about(17), about(6), about(17)));
}

TEST(WaterFilling, EverybodyHasEnough) {
  EXPECT_THAT(water_filling({{1, 1}, {1, 2}, {5, 0}}, 40),
              ElementsAre(about(1), about(2), about(0)));
  EXPECT_TRUE(water_filling({}, 40).empty());
}

}  // namespace
}  // namespace flexai::apps::sim
