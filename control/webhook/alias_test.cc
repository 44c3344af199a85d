#include "control/webhook/alias.h"

#include <gtest/gtest.h>

#include "control/json_parts.h"

namespace flexai::control::webhook {
namespace {

class AliasTest : public testing::Test {
 protected:
  AliasTest() {
    knowledge_.smallest_memory = [this](const std::vector<std::string>& words) {
      words_ = words;
      return smallest_;
    };
  }
  // Of one container.
  base::Result<Rewriting> with(const std::string& limits, const std::string& annotations = "{}",
                               const std::string& labels = "{}") {
    pod_ = {
        {"metadata", {{"annotations", Json::parse(annotations)}, {"labels", Json::parse(labels)}}},
        {"spec",
         {{"containers",
           Json::array({{{"name", "main"}, {"resources", {{"limits", Json::parse(limits)}}}}})}}}};
    auto done = rewrite_aliases(knowledge_, &pod_);
    if (done.ok() && !done->templates.empty()) {
      const Json spec = Json::parse(done->templates[0].body)["spec"]["spec"]["devices"];
      asked_ = spec["requests"][0]["exactly"];
      config_ = spec["config"][0]["opaque"]["parameters"];
    }
    return done;
  }
  std::string refusal(const std::string& limits, const std::string& annotations = "{}") {
    const auto done = with(limits, annotations);
    return done.ok() ? "" : done.error().message;
  }

  Knowledge knowledge_;
  uint64_t smallest_ = uint64_t{16} << 30;
  std::vector<std::string> words_;
  Json pod_, asked_, config_;
};

TEST_F(AliasTest, SharesAndMemoryOfHami) {
  const auto done = with(
      R"({"nvidia.com/gpu": "2", "nvidia.com/gpumem": 3000, "nvidia.com/gpucores": 30, "cpu": "2"})");
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(asked_["count"], 2);
  EXPECT_EQ(asked_["deviceClassName"], "xpu.flexai.io");
  EXPECT_EQ(asked_["capacity"]["requests"]["compute"], "300");
  EXPECT_EQ(asked_["capacity"]["requests"]["memory"], std::to_string(uint64_t{3000} << 20));
  const Json& container = pod_["spec"]["containers"][0];
  EXPECT_EQ(container["resources"]["limits"], Json::parse(R"({"cpu": "2"})"));
  EXPECT_EQ(container["resources"]["claims"], Json::parse(R"([{"name": "xpu-main"}])"));
  EXPECT_EQ(pod_["spec"]["resourceClaims"][0]["resourceClaimTemplateName"],
            done->templates[0].name);
}

TEST_F(AliasTest, AWholeCardWhereNothingElseIsSaid) {
  ASSERT_TRUE(with(R"({"nvidia.com/gpu": 1})").ok());
  EXPECT_FALSE(asked_.contains("capacity"));
}

TEST_F(AliasTest, EqualWishesShareATemplate) {
  const auto one = with(R"({"nvidia.com/gpu": 1, "nvidia.com/gpucores": 30})");
  const auto two = with(R"({"nvidia.com/gpucores": "30"})");
  const auto other = with(R"({"nvidia.com/gpucores": "31"})");
  EXPECT_EQ(one->templates[0].name, two->templates[0].name);
  EXPECT_NE(one->templates[0].name, other->templates[0].name);
}

TEST_F(AliasTest, PercentOfMemoryIsOfTheSmallestCardAndSaysSo) {
  const auto done = with(R"({"nvidia.com/gpumem-percentage": 25})",
                         R"({"nvidia.com/use-gputype": "A100, V100"})");
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(asked_["capacity"]["requests"]["memory"], std::to_string(uint64_t{4} << 30));
  EXPECT_EQ(words_, (std::vector<std::string>{"A100", "V100"}));
  ASSERT_EQ(done->warnings.size(), 1u);
  EXPECT_NE(done->warnings[0].find("4096 MiB"), std::string::npos);
  smallest_ = 0;
  EXPECT_NE(refusal(R"({"nvidia.com/gpumem-percentage": 25})").find("no card"), std::string::npos);
}

TEST_F(AliasTest, TypesBecomeASelector) {
  ASSERT_TRUE(with(R"({"nvidia.com/gpu": 1})",
                   R"({"nvidia.com/use-gputype": "A100", "nvidia.com/nouse-gputype": "PCIE"})")
                  .ok());
  EXPECT_EQ(
      asked_["selectors"][0]["cel"]["expression"],
      R"((device.attributes["xpu.flexai.io"].model.contains("A100")) && !(device.attributes["xpu.flexai.io"].model.contains("PCIE")))");
  EXPECT_NE(refusal(R"({"nvidia.com/gpu": 1})", R"({"nvidia.com/use-gputype": "a\" || true"})"),
            "");
}

TEST_F(AliasTest, PriorityOfHami) {
  ASSERT_TRUE(with(R"({"nvidia.com/gpu": 1, "nvidia.com/priority": 0})").ok());
  EXPECT_EQ(config_["priority"], "high");
}

TEST_F(AliasTest, FractionsAndQueueOfKai) {
  ASSERT_TRUE(
      with("{}", R"({"gpu-fraction": "0.25"})", R"({"kai.scheduler/queue": "research"})").ok());
  EXPECT_EQ(asked_["capacity"]["requests"]["compute"], "250");
  EXPECT_EQ(asked_["capacity"]["requests"]["memory"], std::to_string(uint64_t{4} << 30));
  EXPECT_EQ(pod_["metadata"]["labels"]["xpu.flexai.io/queue"], "research");
  EXPECT_EQ(pod_["spec"]["containers"][0]["resources"]["claims"][0]["name"], "xpu");
  ASSERT_TRUE(with("{}", R"({"gpu-memory": "2000", "gpu-fraction-num-devices": "2"})").ok());
  EXPECT_EQ(asked_["capacity"]["requests"]["memory"], std::to_string(uint64_t{2000} << 20));
  EXPECT_EQ(asked_["count"], 2);
}

TEST_F(AliasTest, WhatCannotBeIsRefusedByName) {
  for (const char* name : {"cambricon.com/vmlu", "nvidia.com/mig-1g.5gb", "huawei.com/Ascend910B",
                           "volcano.sh/vgpu-cores"})
    EXPECT_NE(refusal(std::string("{\"") + name + "\": 1}").find(name), std::string::npos);
  EXPECT_NE(
      refusal(R"({"nvidia.com/gpu": 1})", R"({"nvidia.com/use-gpuuuid": "x"})").find("use-gpuuuid"),
      std::string::npos);
  for (const char* limits : {R"({"nvidia.com/gpu": "many"})", R"({"nvidia.com/gpu": -1})",
                             R"({"nvidia.com/gpucores": 101})",
                             R"({"nvidia.com/gpumem": 1, "nvidia.com/gpumem-percentage": 1})",
                             R"({"nvidia.com/gpu": 1.5})", R"({"nvidia.com/priority": 2})"})
    EXPECT_NE(refusal(limits), "") << limits;
  for (const char* text : {"0", "1.5", "half", "-1", "nan", "1e-400"})
    EXPECT_NE(refusal("{}", std::string("{\"gpu-fraction\": \"") + text + "\"}"), "") << text;
}

TEST_F(AliasTest, OtherPodsStayAsTheyAre) {
  const auto done = with(R"({"cpu": 1})");
  ASSERT_TRUE(done.ok());
  EXPECT_FALSE(done->changed);
  Json odd = Json::parse(
      R"({"spec": {"containers": [3, {"name": 4, "resources": []}], "initContainers": {}}})");
  EXPECT_TRUE(rewrite_aliases(knowledge_, &odd).ok());
}

}  // namespace
}  // namespace flexai::control::webhook
