#include "apps/sim/loops.h"

#include <gtest/gtest.h>

namespace flexai::apps::sim {
namespace {

TEST(Loops, OnceEachWayIsNone) {
  Loops loops;
  loops.stopped("a", "b");
  loops.stopped("b", "a");
  loops.stopped("c", "a");
  loops.stopped("c", "b");
  EXPECT_EQ(loops.longest_exchange(), 2u);
  EXPECT_EQ(loops.found(), 0u);
}

TEST(Loops, AThirdTimeIsOne) {
  Loops loops;
  loops.stopped("a", "b");
  loops.stopped("b", "a");
  loops.stopped("a", "b");
  EXPECT_EQ(loops.longest_exchange(), 3u);
  EXPECT_EQ(loops.found(), 1u);
}

TEST(Loops, StoppedAgainForTheSameOtherIsNone) {
  Loops loops;
  for (int i = 0; i < 5; ++i) loops.stopped("a", "b");
  EXPECT_EQ(loops.found(), 0u);
}

TEST(Loops, WhoLeftIsForgotten) {
  Loops loops;
  loops.stopped("a", "b");
  loops.stopped("b", "a");
  loops.gone("b");
  loops.stopped("a", "b");
  EXPECT_EQ(loops.found(), 0u);
}

TEST(Loops, MovedBackAgainAndAgainIsOne) {
  Loops loops;
  loops.moved("a", 0, "n1", "n2", 0);
  loops.moved("a", 1, "n2", "n1", 10);
  EXPECT_EQ(loops.returns(), 0u);
  loops.moved("a", 0, "n2", "n3", 20);
  loops.moved("a", 0, "n3", "n1", 30);
  EXPECT_EQ(loops.returns(), 1u);
  EXPECT_EQ(loops.found(), 0u);
  loops.moved("a", 0, "n1", "n3", 40);
  EXPECT_EQ(loops.found(), 1u);
  loops.moved("a", 1, "n1", "n2", 10 + 2 * Loops::kSoon);
  EXPECT_EQ(loops.returns(), 2u);
}

}  // namespace
}  // namespace flexai::apps::sim
