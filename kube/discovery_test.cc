#include "kube/discovery.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

TEST(Discovery, VersionsAreReadAndCompared) {
  auto version = version_of(R"({"major":"1","minor":"36+","gitVersion":"v1.36.3-gke.1"})");
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->minor, 36);
  EXPECT_TRUE(at_least(*version, 1, 36, "slices").ok());
  auto old = at_least(*version_of(R"({"major":"1","minor":"35"})"), 1, 36, "slices of cards");
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().code, base::Code::kUnsupported);
  EXPECT_EQ(old.error().message,
            "Kubernetes v1.35 is too old: slices of cards need 1.36 or later; upgrade the cluster");
  for (const char* bad :
       {"", "{}", R"({"major":1,"minor":36})", R"({"major":"x","minor":"1"})", "[]"})
    EXPECT_FALSE(version_of(bad).ok()) << bad;
}

TEST(Discovery, SaysWhetherAResourceIsThere) {
  const char* body = R"({"resources":[{"name":"pods"},{"name":"pods/eviction"},7]})";
  EXPECT_TRUE(*offers(body, kPods));
  EXPECT_TRUE(*offers(body, kPods, "eviction"));
  EXPECT_FALSE(*offers(body, kNodes));
  EXPECT_FALSE(offers("{}", kPods).ok());
  EXPECT_FALSE(offers("x", kPods).ok());
  EXPECT_EQ(group_path(kResourceClaims), "/apis/resource.k8s.io/v1");
  EXPECT_EQ(group_path(kPods), "/api/v1");
}

}  // namespace
}  // namespace flexai::kube
