#include "agent/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flexai::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ExplainTest : public testing::Test {
 protected:
  ExplainTest() {
    slice_.name = "web";
    slice_.card = "fake-0";
    slice_.compute_milli = 300;
    slice_.ceiling_milli = 800;
    slice_.memory_bytes = 1 << 30;
    use_.processes = 1;
    use_.memory_limit = 1 << 30;
  }
  std::string text() {
    std::string all;
    for (const auto& line : explain(slice_, &use_, &card_, "")) all += line + "\n";
    return all;
  }
  model::Slice slice_;
  SliceUse use_;
  CardUse card_;
};

TEST_F(ExplainTest, SaysWhatWasPromised) {
  EXPECT_THAT(text(), AllOf(HasSubstr("promised 30% of fake-0"), HasSubstr("up to 80%")));
}

TEST_F(ExplainTest, TellsAnEmptySliceFromAnIdleOne) {
  EXPECT_THAT(text(), HasSubstr("ask for nothing now"));
  use_.processes = 0;
  EXPECT_THAT(text(), HasSubstr("no process is attached"));
}

TEST_F(ExplainTest, APausedSliceIsToldHowToGoOn) {
  slice_.paused = true;
  use_.waiting = true;
  EXPECT_THAT(text(), AllOf(HasSubstr("is paused"), HasSubstr("flexai slice resume web")));
}

TEST_F(ExplainTest, ASwappedSliceIsToldWhereItsMemoryIs) {
  slice_.residency = model::Residency::kDisk;
  EXPECT_THAT(text(), AllOf(HasSubstr("to disk"), HasSubstr("flexai slice resume web")));
}

TEST_F(ExplainTest, NamesTheCeilingWhenThatIsTheReason) {
  use_.got_1s = 0.79;
  use_.waiting = true;
  EXPECT_THAT(text(), HasSubstr("at its ceiling"));
}

TEST_F(ExplainTest, AFixedSliceIsNotToldToRaiseItsCeiling) {
  slice_.qos = model::Qos::kFixed;
  slice_.ceiling_milli = slice_.compute_milli;
  use_.got_1s = 0.3;
  use_.waiting = true;
  EXPECT_THAT(text(), AllOf(HasSubstr("--compute"), HasSubstr("--qos elastic"),
                            testing::Not(HasSubstr("--ceiling"))));
}

TEST_F(ExplainTest, NamesAFullCard) {
  use_.got_1s = 0.3;
  use_.waiting = true;
  card_.got_1s = 1.0;
  EXPECT_THAT(text(), HasSubstr("card is fully used"));
}

TEST_F(ExplainTest, NamesRefusedAllocations) {
  use_.refused_allocations = 3;
  EXPECT_THAT(text(), HasSubstr("3 allocations were refused"));
}

TEST_F(ExplainTest, SaysWhyASliceCannotServe) {
  auto lines = explain(slice_, nullptr, nullptr, "its card fake-0 is not there any more");
  EXPECT_THAT(lines.back(), HasSubstr("not there any more"));
}

}  // namespace
}  // namespace flexai::agent
