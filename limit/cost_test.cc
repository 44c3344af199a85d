#include "limit/cost.h"

#include <gtest/gtest.h>

namespace flexai::limit {
namespace {

using base::kMicrosecond;
using base::kMillisecond;

TEST(CostTable, OneOutlierIsNotBelieved) {
  CostTable costs;
  auto& entry = costs.find(7);
  for (int i = 0; i < 10; ++i) CostTable::learn(entry, kMillisecond);
  CostTable::learn(entry, 6 * kMillisecond);  // the card was somebody else's for a while
  EXPECT_LT(entry.least.load(), 1400 * kMicrosecond);
  EXPECT_LT(entry.cost.load(), 2 * kMillisecond);
}

TEST(CostTable, FollowsAWorkThatGrows) {
  CostTable costs;
  auto& entry = costs.find(7);
  for (int i = 0; i < 10; ++i) CostTable::learn(entry, 10 * kMicrosecond);
  for (int i = 0; i < 40; ++i) CostTable::learn(entry, kMillisecond);
  EXPECT_GT(entry.cost.load(), 900 * kMicrosecond);
  EXPECT_GT(entry.least.load(), 450 * kMicrosecond);
}

TEST(CostTable, EvenWorkIsNotToldApartByDetail) {
  CostTable costs;
  for (uint64_t step = 1; step < 100; ++step) CostTable::learn(costs.find(7, step), kMillisecond);
  EXPECT_EQ(&costs.find(7, 1), &costs.find(7, 2));
}

TEST(CostTable, UnevenWorkIs) {
  CostTable costs;
  for (int i = 0; i < 20; ++i) {
    CostTable::learn(costs.find(7, 1), 100 * kMicrosecond);
    CostTable::learn(costs.find(7, 2), 10 * kMillisecond);
  }
  EXPECT_NEAR(static_cast<double>(costs.find(7, 1).cost.load()), 1e5, 2e4);
  EXPECT_NEAR(static_cast<double>(costs.find(7, 2).cost.load()), 1e7, 2e6);
  // What was never measured is expected to be like the rest.
  auto& unknown = costs.find(7, 3);
  EXPECT_EQ(unknown.samples.load(), 0u);
  EXPECT_EQ(unknown.cost.load(), costs.find(7).cost.load());
}

TEST(CostTable, NewKeysForEverDoNotGrowNorMixUp) {
  CostTable costs;
  for (int i = 0; i < 20; ++i) {
    CostTable::learn(costs.find(7, 1), 100 * kMicrosecond);
    CostTable::learn(costs.find(7, 2), 10 * kMillisecond);
  }
  for (uint64_t detail = 10; detail < 100000; ++detail)
    CostTable::learn(costs.find(7, detail), kMillisecond);
  Nanos plain = costs.find(7).cost.load();
  EXPECT_GT(plain, 500 * kMicrosecond);
  EXPECT_LT(plain, 2 * kMillisecond);
}

TEST(CostTable, ForgottenIsMeasuredAnew) {
  CostTable costs;
  CostTable::learn(costs.find(7), kMillisecond);
  costs.forget(7);
  EXPECT_EQ(costs.find(7).samples.load(), 0u);
}

}  // namespace
}  // namespace flexai::limit
