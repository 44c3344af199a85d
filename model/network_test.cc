#include "model/network.h"

#include <gtest/gtest.h>

namespace flexai::model {
namespace {

Demand demand(int32_t calls, int32_t mbps) {
  Demand d;
  d.cards = 1;
  d.card_milli = 500;
  d.remote_calls = calls;
  d.network_mbps = mbps;
  return d;
}

TEST(Network, RoundTripsCostTheTimeTheyTake) {
  EXPECT_EQ(lost_milli(demand(1000, 0), {0, 100}), 100);  // 1,000 x 0.1 ms a second
  EXPECT_EQ(remote_cost_milli(demand(1000, 0), {0, 100}), 50);
}

TEST(Network, BytesCostTheirPartOfTheLink) {
  EXPECT_EQ(lost_milli(demand(0, 2500), {10000, 0}), 250);
  EXPECT_EQ(lost_milli(demand(1000, 2500), {10000, 100}), 350);
}

TEST(Network, NothingKnownCostsOnlyThePenalty) {
  Demand d = demand(1000, 1000);
  d.remote_penalty = 70;
  EXPECT_EQ(remote_cost_milli(d, {}), 70);
}

TEST(Network, NobodyLosesMoreThanAll) {
  EXPECT_EQ(lost_milli(demand(INT32_MAX, INT32_MAX), {1, INT32_MAX}), 1000);
}

}  // namespace
}  // namespace flexai::model
