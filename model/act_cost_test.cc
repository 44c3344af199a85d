#include "model/act_cost.h"

#include <gtest/gtest.h>

namespace flexai::model {
namespace {

std::vector<ActSample> samples(int64_t fixed, int64_t per_gib, int64_t noise) {
  std::vector<ActSample> all;
  for (int64_t gib = 1; gib <= 16; ++gib)
    all.push_back({gib * 1024, fixed + gib * per_gib + (gib % 2 == 0 ? noise : -noise)});
  return all;
}

TEST(ActCost, IsLearntFromWhatWasMeasured) {
  const ActCost usual{1000, 400};
  EXPECT_EQ(refined(usual, samples(250, 90, 0)), (ActCost{250, 90}));
  const ActCost noisy = refined(usual, samples(250, 90, 20));
  EXPECT_NEAR(noisy.fixed_ms, 250, 15);
  EXPECT_NEAR(noisy.per_gib_ms, 90, 3);
}

TEST(ActCost, FewSamplesChangeNothing) {
  const ActCost usual{1000, 400};
  EXPECT_EQ(refined(usual, {{1024, 5}, {2048, 6}}), usual);
}

TEST(ActCost, NeverBelowZero) {
  EXPECT_EQ(refined({1000, 0}, std::vector<ActSample>(10, {0, -5})), (ActCost{0, 0}));
  EXPECT_EQ(refined({1000, 400}, samples(2000, -100, 0)).per_gib_ms, 0);
  const ActCost steep = refined({0, 0}, samples(-500, 300, 0));
  EXPECT_EQ(steep.fixed_ms, 0);
  EXPECT_GT(steep.per_gib_ms, 0);
}

TEST(ActCost, OneSizeTeachesTheFixedPart) {
  EXPECT_EQ(refined({1000, 100}, std::vector<ActSample>(10, {1024, 600})), (ActCost{500, 100}));
}

}  // namespace
}  // namespace flexai::model
