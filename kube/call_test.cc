#include "kube/call.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flexai::kube {
namespace {

TEST(Call, PathsFollowGroupNamespaceAndSubresource) {
  EXPECT_EQ(path_of(kNodes, {"", "n1"}, "status"), "/api/v1/nodes/n1/status");
  EXPECT_EQ(path_of(kPods, {"a", "p"}, "eviction"), "/api/v1/namespaces/a/pods/p/eviction");
  EXPECT_EQ(path_of(kPods), "/api/v1/pods");
  EXPECT_EQ(path_of(kResourceClaims, {"a", "c"}, "status"),
            "/apis/resource.k8s.io/v1/namespaces/a/resourceclaims/c/status");
  EXPECT_EQ(path_of(kResourceSlices, {"ignored", "s"}),
            "/apis/resource.k8s.io/v1/resourceslices/s");
}

TEST(Call, NamesCannotLeaveTheirPlaceInThePath) {
  EXPECT_EQ(path_of(kPods, {"a/../b", "x?y#z%"}),
            "/api/v1/namespaces/a%2F..%2Fb/pods/x%3Fy%23z%25");
  EXPECT_EQ(with_query("/x", {{"labelSelector", "a in (b,c)&d=é"}}),
            "/x?labelSelector=a%20in%20%28b%2Cc%29%26d%3D%C3%A9");
}

TEST(Call, OnlyWhatMayBeDoneTwiceIsRepeatable) {
  const ObjectName name{"a", "b"};
  EXPECT_TRUE(get_object(kPods, name).repeatable);
  EXPECT_TRUE(replace(kPods, name, "{}").repeatable);
  EXPECT_TRUE(apply(kPods, name, "{}", "me", true).repeatable);
  EXPECT_TRUE(patch(kPods, name, Patch::kMerge, "{}").repeatable);
  EXPECT_FALSE(patch(kPods, name, Patch::kJson, "[]").repeatable);
  EXPECT_FALSE(patch(kPods, name, Patch::kStrategic, "{}").repeatable);
  EXPECT_FALSE(create(kPods, "a", "{}").repeatable);
  EXPECT_FALSE(remove(kPods, name).repeatable);
  EXPECT_TRUE(remove(kPods, name, {"uid-1", "", "", {}}).repeatable);
  EXPECT_FALSE(evict(name).waits_when_throttled);
  EXPECT_TRUE(create(kPods, "a", "{}").waits_when_throttled);
}

TEST(Call, ApplySaysWhoOwnsAndWhetherByForce) {
  Call call = apply(kPods, {"a", "b"}, "{}", "hi scheduler", false, "status");
  EXPECT_EQ(call.path, "/api/v1/namespaces/a/pods/b/status?fieldManager=hi%20scheduler");
  EXPECT_EQ(call.content_type, "application/apply-patch+yaml");
  EXPECT_NE(apply(kPods, {"a", "b"}, "{}", "m", true).path.find("force=true"), std::string::npos);
}

TEST(Call, RemovingAndEvictingCarryTheirConditions) {
  auto body = nlohmann::json::parse(remove(kPods, {"a", "b"}, {"u1", "77", "Foreground", 0}).body);
  EXPECT_EQ(body["preconditions"]["uid"], "u1");
  EXPECT_EQ(body["preconditions"]["resourceVersion"], "77");
  EXPECT_EQ(body["propagationPolicy"], "Foreground");
  EXPECT_EQ(body["gracePeriodSeconds"], 0);
  auto eviction = nlohmann::json::parse(evict({"a", "b"}, {"u1", "", "", {}}).body);
  EXPECT_EQ(eviction["kind"], "Eviction");
  EXPECT_EQ(eviction["metadata"]["name"], "b");
  EXPECT_EQ(eviction["deleteOptions"]["preconditions"]["uid"], "u1");
  EXPECT_FALSE(eviction["deleteOptions"].contains("gracePeriodSeconds"));
}

TEST(Call, WatchesAskForBookmarksFromTheirVersion) {
  EXPECT_EQ(watch_path(kPods, {"a", "x=y", ""}, "12", 300),
            "/api/v1/namespaces/a/pods?labelSelector=x%3Dy&watch=1&allowWatchBookmarks=true&"
            "timeoutSeconds=300&resourceVersion=12");
  EXPECT_EQ(list_page(kPods, {}, 500, "t/=").path, "/api/v1/pods?limit=500&continue=t%2F%3D");
}

}  // namespace
}  // namespace flexai::kube
