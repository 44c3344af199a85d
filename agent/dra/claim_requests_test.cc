#include "agent/dra/claim_requests.h"

#include <gtest/gtest.h>

namespace flexai::agent::dra {
namespace {

TEST(ClaimRequests, APodCountsOnlyWhereItIsBound) {
  const char* const pod = R"({"metadata": {"uid": "5d1f"}, "spec": {"nodeName": "plain"}})";
  EXPECT_TRUE(is_bound(pod, "5d1f", "plain"));
  EXPECT_FALSE(is_bound(pod, "5d1f", "other"));
  EXPECT_FALSE(is_bound(pod, "6d1f", "plain"));
  EXPECT_FALSE(is_bound(pod, "5d1f", ""));
  EXPECT_FALSE(is_bound(R"({"metadata": {"uid": "5d1f"}, "spec": {}})", "5d1f", "plain"));
  EXPECT_FALSE(is_bound(R"({"metadata": {"uid": "5d1f"}, "spec": {}})", "5d1f", ""));
  EXPECT_FALSE(is_bound(R"({"metadata": {}, "spec": {"nodeName": "plain"}})", "", "plain"));
  for (const char* text : {"", "[]", "{}", R"({"metadata": 5, "spec": "x"})"})
    EXPECT_FALSE(is_bound(text, "5d1f", "plain")) << text;
}

}  // namespace
}  // namespace flexai::agent::dra
