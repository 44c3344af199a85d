#include "kube/requirement.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

const Requirement kNeeds{"slices of cards", 1, 36, {kResourceClaims, kDeviceClasses}};
const char* const kNew = R"({"major":"1","minor":"36","gitVersion":"v1.36.3"})";
const char* const kPath = "/apis/resource.k8s.io/v1";
const char* const kBoth = R"({"resources":[{"name":"resourceclaims"},{"name":"deviceclasses"}]})";

TEST(Requirement, AServerThatHasItAllWillDo) {
  EXPECT_TRUE(verdict(kNeeds, kNew, {{kPath, kBoth}}).ok());
}

TEST(Requirement, AnOlderServerIsToldByItsVersion) {
  const base::Status old =
      verdict(kNeeds, R"({"major":"1","minor":"35","gitVersion":"v1.35.1"})", {{kPath, kBoth}});
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().code, base::Code::kUnsupported);
  EXPECT_EQ(old.error().message,
            "Kubernetes v1.35.1 is too old: slices of cards need 1.36 or later; upgrade the "
            "cluster");
}

TEST(Requirement, AServerThatActsAsAnOlderOneIsOne) {
  const base::Status acts = verdict(kNeeds,
                                    R"({"major":"1","minor":"36","emulationMajor":"1",)"
                                    R"("emulationMinor":"35","gitVersion":"v1.36.3"})",
                                    {{kPath, kBoth}});
  ASSERT_FALSE(acts.ok());
  EXPECT_NE(acts.error().message.find("v1.36.3, which acts as 1.35, is too old"), std::string::npos)
      << acts.error().message;
}

TEST(Requirement, WhatIsNotServedIsNamed) {
  const base::Status group = verdict(kNeeds, kNew, {{kPath, std::nullopt}});
  ASSERT_FALSE(group.ok());
  EXPECT_EQ(
      group.error().message.substr(0, 85),
      "the API server (v1.36.3) does not serve resourceclaims of resource.k8s.io/v1, which s");
  const base::Status one =
      verdict(kNeeds, kNew, {{kPath, R"({"resources":[{"name":"resourceclaims"}]})"}});
  ASSERT_FALSE(one.ok());
  EXPECT_NE(one.error().message.find("does not serve deviceclasses"), std::string::npos);
}

TEST(Requirement, AnAnswerThatIsNoneIsNoVerdictOfOld) {
  EXPECT_EQ(verdict(kNeeds, "hello", {}).error().code, base::Code::kCorrupt);
  EXPECT_EQ(verdict(kNeeds, kNew, {{kPath, "hello"}}).error().code, base::Code::kCorrupt);
}

}  // namespace
}  // namespace flexai::kube
