#include "agent/dra/device_status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flexai::agent::dra {
namespace {

using nlohmann::json;

kube::Claim claim_with(const std::string& share, const std::string& pool) {
  kube::Claim claim;
  claim.ns = "team";
  claim.name = "train";
  claim.uid = "0b0c6a3e-1111-2222-3333-444455556666";
  kube::ClaimResult result;
  result.index = 1;
  result.driver = "xpu.flexai.io";
  result.pool = pool;
  result.device = "card-1a2b3c4d";
  result.share_id = share;
  result.compute_milli = 300;
  result.memory_bytes = 1u << 30;
  claim.results = {result};
  return claim;
}

const char* const kShare = "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1";

TEST(DeviceStatus, APreparedDeviceIsReadyAndSaysWhatItIs) {
  const json told = json::parse(
      device_status_text(claim_with(kShare, "gpu1"), "plain", "", "2026-01-02T03:04:05Z"));
  EXPECT_EQ(told["kind"], "ResourceClaim");
  EXPECT_EQ(told["apiVersion"], "resource.k8s.io/v1");
  EXPECT_EQ(told["metadata"]["uid"], "0b0c6a3e-1111-2222-3333-444455556666");
  EXPECT_EQ(told["status"].size(), 1u) << "nothing but the devices is ours";
  const json& device = told["status"]["devices"].at(0);
  EXPECT_EQ(device["driver"], "xpu.flexai.io");
  EXPECT_EQ(device["pool"], "gpu1");
  EXPECT_EQ(device["device"], "card-1a2b3c4d");
  EXPECT_EQ(device["shareID"], kShare);
  const json& condition = device["conditions"].at(0);
  EXPECT_EQ(condition["type"], "Ready");
  EXPECT_EQ(condition["status"], "True");
  EXPECT_EQ(condition["reason"], "Prepared");
  EXPECT_EQ(condition["lastTransitionTime"], "2026-01-02T03:04:05Z");
  EXPECT_EQ(device["data"], (json{{"slice", "k-0b0c6a3e-1"},
                                  {"lease", "0b0c6a3e-1111-2222-3333-444455556666-1"},
                                  {"host", "gpu1"},
                                  {"remote", true},
                                  {"compute", 300},
                                  {"memory", 1u << 30}}));
}

TEST(DeviceStatus, AFailureIsSaidAndBounded) {
  const json told = json::parse(device_status_text(claim_with("no share", "plain"), "plain",
                                                   "why " + std::string(5000, 'x'), "t"));
  const json& device = told["status"]["devices"].at(0);
  EXPECT_EQ(device["conditions"].at(0)["status"], "False");
  EXPECT_EQ(device["conditions"].at(0)["reason"], "NotPrepared");
  EXPECT_EQ(device["conditions"].at(0)["message"].get<std::string>().size(), 1024u);
  EXPECT_FALSE(device.contains("data"));
  EXPECT_FALSE(device.contains("shareID"));
}

TEST(DeviceStatus, WhatIsNoTextHarmsNobody) {
  const std::string text =
      device_status_text(claim_with(kShare, "gpu1"), "gpu1", "bytes \xff\xfe", "t");
  EXPECT_TRUE(json::accept(text));
  EXPECT_EQ(json::parse(text)["status"]["devices"].at(0)["conditions"].at(0)["status"], "False");
}

}  // namespace
}  // namespace flexai::agent::dra
