#include "control/webhook/review.h"

#include <gtest/gtest.h>

#include "control/json_parts.h"

namespace flexai::control::webhook {
namespace {

std::string text_of_base64(const std::string& text) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(c));
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return out;
}

class ReviewTest : public testing::Test {
 protected:
  ReviewTest() {
    knowledge_.template_is_ours = [](const std::string&, const std::string& name) {
      return name == "ours"    ? std::optional(true)
             : name == "other" ? std::optional(false)
                               : std::nullopt;
    };
    knowledge_.claim_is_ours = knowledge_.template_is_ours;
    knowledge_.takes_aliases = [](const std::string& ns) { return ns == "old"; };
    knowledge_.smallest_memory = [](const auto&) { return uint64_t{16} << 30; };
  }

  Json review(const Json& pod, const std::string& ns = "team") {
    request_ = {{"uid", "u-1"},
                {"namespace", ns},
                {"operation", "CREATE"},
                {"resource", {{"group", ""}, {"version", "v1"}, {"resource", "pods"}}},
                {"object", pod}};
    return ask();
  }
  Json ask() {
    const Json text = {
        {"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"request", request_}};
    const auto answer = answer_review(
        text.dump(), knowledge_,
        [this](const std::string& ns, const std::string& name, const std::string& body) {
          made_.push_back(ns + "/" + name + " " + body);
          return fails_ ? base::Status(base::fail(base::Code::kDenied, "no right"))
                        : base::Status();
        });
    EXPECT_TRUE(answer.ok());
    const Json response = Json::parse(*answer)["response"];
    EXPECT_EQ(response["uid"], "u-1");
    after_ = request_["object"];
    if (response.contains("patch"))
      after_ = after_.patch(Json::parse(text_of_base64(response["patch"].get<std::string>())));
    return response;
  }
  static Json pod_with(const char* kind, const char* name) {
    return {{"metadata", {{"name", "p"}}},
            {"spec",
             {{"containers", Json::array({{{"name", "c"}}})},
              {"resourceClaims", Json::array({{{"name", "card"}, {kind, name}}})}}}};
  }

  Knowledge knowledge_;
  Json request_, after_;
  std::vector<std::string> made_;
  bool fails_ = false;
};

TEST_F(ReviewTest, APodWithAClaimOfOursGetsTheGate) {
  for (const char* kind : {"resourceClaimTemplateName", "resourceClaimName"}) {
    EXPECT_EQ(review(pod_with(kind, "ours"))["allowed"], true);
    EXPECT_EQ(after_["spec"]["schedulingGates"],
              Json::parse(R"([{"name": "xpu.flexai.io/placement"}])"));
  }
}

TEST_F(ReviewTest, WhatIsNotOursOrNotKnownPassesAsItIs) {
  for (const char* name : {"other", "never-heard-of"})
    EXPECT_FALSE(review(pod_with("resourceClaimTemplateName", name)).contains("patch")) << name;
  EXPECT_FALSE(review({{"spec", {{"containers", Json::array()}}}}).contains("patch"));
}

TEST_F(ReviewTest, OtherGatesStayAndOursComesOnce) {
  Json pod = pod_with("resourceClaimName", "ours");
  pod["spec"]["schedulingGates"] = Json::parse(R"([{"name": "quota"}])");
  review(pod);
  EXPECT_EQ(after_["spec"]["schedulingGates"].size(), 2u);
  EXPECT_FALSE(review(after_).contains("patch"));
}

TEST_F(ReviewTest, APodThatNamesItsNodeIsLeftAlone) {
  Json pod = pod_with("resourceClaimName", "ours");
  pod["spec"]["nodeName"] = "n";
  EXPECT_FALSE(review(pod).contains("patch"));
}

TEST_F(ReviewTest, OnlyNewPodsAreLookedAt) {
  review(pod_with("resourceClaimName", "ours"));
  request_["operation"] = "UPDATE";
  EXPECT_FALSE(ask().contains("patch"));
  request_["operation"] = "CREATE";
  request_["resource"]["resource"] = "deployments";
  EXPECT_FALSE(ask().contains("patch"));
}

TEST_F(ReviewTest, AliasesOnlyWhereTheNamespaceSaysSo) {
  Json pod = {
      {"spec",
       {{"containers",
         Json::parse(
             R"([{"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1, "nvidia.com/gpucores": "30"}}}])")}}}};
  EXPECT_FALSE(review(pod).contains("patch"));
  EXPECT_EQ(review(pod, "old")["allowed"], true);
  ASSERT_EQ(made_.size(), 1u);
  EXPECT_EQ(after_["spec"]["schedulingGates"].size(), 1u);
  const std::string name = after_["spec"]["resourceClaims"][0]["resourceClaimTemplateName"];
  EXPECT_EQ(made_[0].rfind("old/" + name + " ", 0), 0u);
}

TEST_F(ReviewTest, ADryRunMakesNothing) {
  Json pod = {
      {"spec",
       {{"containers",
         Json::parse(R"([{"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1}}}])")}}}};
  review(pod, "old");
  made_.clear();
  request_["dryRun"] = true;
  EXPECT_TRUE(ask().contains("patch"));
  EXPECT_TRUE(made_.empty());
}

TEST_F(ReviewTest, RefusedWithTheReason) {
  Json pod = {
      {"spec",
       {{"containers",
         Json::parse(R"([{"name": "c", "resources": {"limits": {"cambricon.com/vmlu": 1}}}])")}}}};
  Json response = review(pod, "old");
  EXPECT_EQ(response["allowed"], false);
  EXPECT_NE(response["status"]["message"].get<std::string>().find("cambricon.com/vmlu"),
            std::string::npos);
  fails_ = true;
  pod = {{"spec",
          {{"containers",
            Json::parse(R"([{"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1}}}])")}}}};
  response = review(pod, "old");
  EXPECT_EQ(response["allowed"], false);
  EXPECT_NE(response["status"]["message"].get<std::string>().find("no right"), std::string::npos);
}

TEST(Review, WhatIsNoReviewIsRefused) {
  for (const char* text : {"", "null", "{}", "[]", R"({"kind": "AdmissionReview"})",
                           R"({"kind": "AdmissionReview", "request": {"uid": 5}})", "\xff{"})
    EXPECT_FALSE(answer_review(text, {}, nullptr).ok()) << text;
}

}  // namespace
}  // namespace flexai::control::webhook
