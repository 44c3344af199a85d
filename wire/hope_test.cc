#include "wire/hope.h"

#include <gtest/gtest.h>

namespace flexai::wire {
namespace {

using base::kMicrosecond;

TEST(Hope, LooksOnceAtLeastAndTellsWhetherItCame) {
  Hope hope(kMicrosecond);
  int looked = 0;
  EXPECT_TRUE(hope.look(0, [&] { return ++looked == 1; }));
  EXPECT_EQ(looked, 1);
  EXPECT_FALSE(hope.look(0, [&] { return ++looked, false; }));
  EXPECT_GT(looked, 1);
}

TEST(Hope, IsLostWhereNothingComesAndTriedAgain) {
  Hope hope(kMicrosecond);
  const auto never = [] { return false; };
  int waits = 0;
  while (hope.hopes() && waits < 1000) hope.look(0, never), ++waits;
  EXPECT_LT(waits, 20);
  for (waits = 0; !hope.hopes() && waits < 1000; ++waits) hope.look(0, never);
  EXPECT_EQ(waits, 64);
  // Once is not enough to lose it again, nor for ever.
  hope.look(0, never);
  EXPECT_TRUE(hope.hopes());
  hope.look(0, never);
  EXPECT_FALSE(hope.hopes());
}

TEST(Hope, WhoIsKeptFromHisProcessorStopsLooking) {
  Hope hope(kMicrosecond * 1000000);
  int looked = 0;
  hope.look(0, [&] {
    ++looked;
    const base::Nanos begin = base::monotonic_now();
    while (base::monotonic_now() - begin < 100 * kMicrosecond) {
    }
    return false;
  });
  EXPECT_EQ(looked, 1);
}

TEST(Hope, ADeadlineThatIsOverIsNotWaitedFor) {
  Hope hope(kMicrosecond * 1000000);
  int looked = 0;
  EXPECT_FALSE(hope.look(1, [&] { return ++looked, true; }));
  EXPECT_EQ(looked, 0);
}

}  // namespace
}  // namespace flexai::wire
