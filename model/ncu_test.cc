#include "model/ncu.h"

#include <gtest/gtest.h>

namespace flexai::model {
namespace {

constexpr int64_t kHour = 3'600'000;
const std::vector<NcuRate> kTable = {{"A", "train", 1000, 0},
                                     {"B", "train", 1500, 7},
                                     {"A", "infer", 1000, 0},
                                     {"B", "infer", 2000, 0}};

// Programs count different things; only how much faster each is on B counts.
NcuObserver seen(int64_t hours, int64_t percent_faster) {
  NcuObserver o;
  for (int64_t unit : {1, 300}) {
    const std::string program = "p" + std::to_string(unit);
    o.saw(program, "train", "A", hours * kHour, hours * 1000 * unit);
    o.saw(program, "train", "B", hours * kHour, hours * 10 * unit * (100 + percent_faster));
  }
  return o;
}

TEST(NcuObserver, RatesMoveTowardsWhatIsSeen) {
  EXPECT_EQ(NcuObserver().refined(kTable), kTable);
  EXPECT_EQ(seen(1, 80).refined(kTable)[1].milli, 1700);  // two hours against the table's one
  const int32_t much = seen(500, 80).refined(kTable)[1].milli;
  EXPECT_GE(much, 1799);
  EXPECT_LE(much, 1800);
}

TEST(NcuObserver, KeepsTheReferenceTheOtherKindsAndTheScarcity) {
  const auto refined = seen(500, 80).refined(kTable);
  EXPECT_EQ(refined[0], kTable[0]);
  EXPECT_EQ(refined[2], kTable[2]);
  EXPECT_EQ(refined[3], kTable[3]);
  EXPECT_EQ(refined[1].scarcity_milli, 7);
}

TEST(NcuObserver, FalseReportsMoveARateByAFactorOfTwoAtMost) {
  NcuObserver o;
  o.saw("p", "train", "A", kHour * 1000, 1);
  o.saw("p", "train", "B", kHour * 1000, int64_t{1} << 39);
  o.saw("p", "train", "B", INT64_MAX, INT64_MAX);
  o.saw("p", "train", "B", -5, 0);
  const int32_t milli = o.refined(kTable)[1].milli;
  EXPECT_GT(milli, 2900);
  EXPECT_LE(milli, 3000);
}

TEST(NcuObserver, OneModelAloneSaysNothing) {
  NcuObserver o;
  o.saw("p", "train", "B", kHour, 1000);
  o.saw("q", "train", "A", kHour, 1000);
  EXPECT_EQ(o.refined(kTable), kTable);
}

}  // namespace
}  // namespace flexai::model
