#include "base/result.h"

#include <gtest/gtest.h>

#include <string>

namespace flexai::base {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::kInvalid, "odd");
  return n / 2;
}

Result<std::string> quarter_text(int n) {
  FLEXAI_TRY_ASSIGN(int h, half(n));
  FLEXAI_TRY_ASSIGN(int q, half(h));
  return std::to_string(q);
}

TEST(Result, CarriesAValue) {
  auto r = quarter_text(12);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(*r, "3");
}

TEST(Result, CarriesTheFirstErrorUpAndAddsContext) {
  auto r = quarter_text(6).with_context("quarter of 6");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, Code::kInvalid);
  EXPECT_EQ(r.error().message, "quarter of 6: odd");
}

}  // namespace
}  // namespace flexai::base
