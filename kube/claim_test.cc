#include "kube/claim.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/object_view.h"

namespace flexai::kube {
namespace {

using nlohmann::json;

const char* const kClaim = R"json({
 "metadata": {"name": "train-card", "namespace": "team", "uid": "0b0c6a3e-1111-2222-3333-444455556666",
              "resourceVersion": "17", "finalizers": ["resource.kubernetes.io/delete-protection"]},
 "spec": {"devices": {"requests": []}},
 "status": {
  "reservedFor": [{"resource": "pods", "name": "train", "uid": "5d1f"},
                  {"resource": "other", "apiGroup": "x", "name": "no", "uid": "1"}],
  "allocation": {
   "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["plain"]}]}]},
   "devices": {
    "results": [
     {"request": "net", "driver": "else.io", "pool": "p", "device": "d"},
     {"request": "xpu/small", "driver": "xpu.flexai.io", "pool": "card", "device": "card-1a2b3c4d",
      "shareID": "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1", "consumedCapacity": {"compute": "300", "memory": "1Gi"}}],
    "config": [
     {"source": "FromClaim", "requests": ["xpu"], "opaque": {"driver": "xpu.flexai.io", "parameters":
       {"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "SliceConfig", "priority": "high"}}},
     {"source": "FromClass", "opaque": {"driver": "xpu.flexai.io", "parameters":
       {"apiVersion": "xpu.flexai.io/v1alpha1", "kind": "SliceConfig", "priority": "low", "qos": "fixed"}}},
     {"source": "FromClaim", "requests": ["other"], "opaque": {"driver": "xpu.flexai.io", "parameters": {"nonsense": 1}}},
     {"source": "FromClaim", "opaque": {"driver": "else.io", "parameters": {"x": 1}}}]}}}})json";

TEST(Claim, ItsAllocationIsRead) {
  auto claim = parse_claim(kClaim);
  ASSERT_TRUE(claim.ok()) << claim.error().message;
  EXPECT_EQ(claim->name, "train-card");
  EXPECT_EQ(claim->ns, "team");
  EXPECT_TRUE(claim->allocated);
  EXPECT_FALSE(claim->deleting);
  EXPECT_EQ(claim->node, "plain");
  ASSERT_EQ(claim->pods.size(), 1u);
  EXPECT_EQ(claim->pods[0], (Reference{"train", "5d1f"}));
  ASSERT_EQ(claim->results.size(), 1u);
  const ClaimResult& result = claim->results[0];
  EXPECT_EQ(result.index, 1u);  // among all drivers'
  EXPECT_EQ(result.compute_milli, 300u);
  EXPECT_EQ(result.memory_bytes, 1u << 30);
  EXPECT_EQ(slice_name(claim->uid, result.index), "k-0b0c6a3e-1");
  EXPECT_EQ(lease_name(claim->uid, 1), "0b0c6a3e-1111-2222-3333-444455556666-1");
}

TEST(Claim, TheClaimsConfigurationWinsFieldByFieldOverTheClasss) {
  auto claim = parse_claim(kClaim);
  ASSERT_TRUE(claim.ok());
  auto config = config_of(*claim, claim->results[0]);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->priority, model::Priority::kHigh);
  EXPECT_EQ(config->qos, model::Qos::kFixed);
  ClaimResult other = claim->results[0];
  other.request = "other";
  EXPECT_FALSE(config_of(*claim, other).ok());
}

TEST(Claim, OneThatNobodyHasAllocatedYet) {
  auto claim = parse_claim(R"({"metadata": {"name": "a", "deletionTimestamp": "x"}})");
  ASSERT_TRUE(claim.ok());
  EXPECT_FALSE(claim->allocated);
  EXPECT_TRUE(claim->deleting);
  EXPECT_TRUE(claim->results.empty());
}

// Each place, with each kind of thing that does not belong there.
TEST(Claim, HostileShapesAreRefusedOrPassedOver) {
  const char* const kPlaces[] = {"/metadata",
                                 "/metadata/uid",
                                 "/status",
                                 "/status/reservedFor",
                                 "/status/reservedFor/0",
                                 "/status/reservedFor/0/name",
                                 "/status/allocation",
                                 "/status/allocation/nodeSelector",
                                 "/status/allocation/devices",
                                 "/status/allocation/devices/results",
                                 "/status/allocation/devices/results/1",
                                 "/status/allocation/devices/results/1/driver",
                                 "/status/allocation/devices/results/1/shareID",
                                 "/status/allocation/devices/results/1/consumedCapacity",
                                 "/status/allocation/devices/results/1/consumedCapacity/compute",
                                 "/status/allocation/devices/config",
                                 "/status/allocation/devices/config/0",
                                 "/status/allocation/devices/config/0/opaque",
                                 "/status/allocation/devices/config/0/requests"};
  const json kThings[] = {true,
                          -1.5,
                          "x",
                          std::string(2000, 'x'),
                          json::array({json::array()}),
                          json::object({{"a", json::array()}})};
  int refused = 0;
  for (const char* place : kPlaces)
    for (const json& thing : kThings) {
      json object = json::parse(kClaim);
      object[json::json_pointer(place)] = thing;
      auto claim = read_claim(object);
      if (claim.ok()) {
        for (const ClaimResult& result : claim->results) (void)config_of(*claim, result).ok();
        continue;
      }
      ++refused;
      EXPECT_EQ(claim.error().code, base::Code::kCorrupt);
      EXPECT_NE(claim.error().message.find("claim"), std::string::npos);
    }
  EXPECT_GT(refused, 60);
  EXPECT_FALSE(parse_claim("[]").ok());
  EXPECT_FALSE(parse_claim("").ok());
}

TEST(Claim, NodeSelectorsThatNameNoSingleNode) {
  for (
      const char* selector :
      {"{}", R"({"nodeSelectorTerms": []})", R"({"nodeSelectorTerms": [1]})",
       R"({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["a"]}]}]})",
       R"({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]}]})"}) {
    json object = json::parse(kClaim);
    object["status"]["allocation"]["nodeSelector"] = json::parse(selector);
    auto claim = read_claim(object);
    ASSERT_TRUE(claim.ok()) << selector;
    EXPECT_EQ(claim->node, "") << selector;
  }
}

TEST(Claim, Uuids) {
  EXPECT_TRUE(is_uuid("2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1"));
  for (const char* text : {"", "2f4c0a51", "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7bg",
                           "2f4c0a51x96d2-4a7d-8c0f-6a5d2fd0e7b1"})
    EXPECT_FALSE(is_uuid(text)) << text;
}

}  // namespace
}  // namespace flexai::kube
