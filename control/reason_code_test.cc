#include "control/reason_code.h"

#include <gtest/gtest.h>

#include "kube/reasons.h"

namespace flexai::control {
namespace {

TEST(ReasonCode, EveryReasonOfTheCoreHasAWordThatIsKnown) {
  for (int r = 0; r < sched::kReasons; ++r) {
    const std::string code = code_of(static_cast<sched::Reason>(r));
    EXPECT_EQ(kube::wait_reason_of(coded(code, "words")), code);
  }
  EXPECT_EQ(code_of(sched::Reason::kNoCardMemory), "NoCardMemory");
}

TEST(ReasonCode, EveryErrorOfAClaimHasAWordThatIsKnown) {
  for (const base::Code code :
       {base::Code::kUnavailable, base::Code::kNotFound, base::Code::kDenied,
        base::Code::kUnsupported, base::Code::kInvalid, base::Code::kTimeout})
    EXPECT_EQ(kube::wait_reason_of(coded(code_of(code), "words")), code_of(code));
}

TEST(ReasonCode, WordsThatAreNoneAreNone) {
  for (const char* text :
       {"", "NoCards", "0/2 nodes: 1 without", "nocards: x", "Strange: x", ": x"})
    EXPECT_EQ(kube::wait_reason_of(text), "") << text;
}

}  // namespace
}  // namespace flexai::control
