#include "kube/slice_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flexai::kube {
namespace {

using nlohmann::json;

json with(const char* field, json value) {
  json made = {{"apiVersion", "xpu.flexai.io/v1alpha1"}, {"kind", "SliceConfig"}};
  made[field] = std::move(value);
  return made;
}

TEST(SliceConfig, SaysWhatItSaysAndKeepsTheRest) {
  SliceConfig config;
  const json all = {{"apiVersion", "xpu.flexai.io/v1alpha1"},
                    {"kind", "SliceConfig"},
                    {"qos", "fixed"},
                    {"ceiling", 700u},
                    {"priority", "high"},
                    {"isolation", "direct"},
                    {"reach", "local"},
                    {"leastCompute", 100u},
                    {"share", true},
                    {"suspend", true},
                    {"move", true},
                    {"pool", "gold"}};
  const base::Status read = read_slice_config(all, &config);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const SliceConfig wanted{model::Qos::kFixed,
                           700,
                           model::Priority::kHigh,
                           Isolation::kDirect,
                           Reach::kLocal,
                           100,
                           true,
                           true,
                           true,
                           "gold"};
  EXPECT_EQ(config, wanted);
  ASSERT_TRUE(read_slice_config(with("priority", "low"), &config).ok());
  EXPECT_EQ(config.priority, model::Priority::kLow);
  EXPECT_EQ(config.ceiling_milli, 700u);
}

TEST(SliceConfig, RefusalsNameTheFieldAndChangeNothing) {
  const std::pair<const char*, json> cases[] = {
      {"qos", "best"},        {"qos", 3},           {"ceiling", 0u},        {"ceiling", 1001u},
      {"ceiling", "300"},     {"ceiling", -1},      {"priority", "urgent"}, {"isolation", "none"},
      {"reach", "remote"},    {"share", "true"},    {"leastCompute", 1e9},  {"colour", "red"},
      {"kind", "Slice"},      {"apiVersion", "v1"}, {"pool", "a.b"},        {"pool", ""},
      {"pool", "a\" || true"}};
  for (const auto& [field, value] : cases) {
    SliceConfig config;
    json body = with(field, value);
    const base::Status read = read_slice_config(body, &config);
    ASSERT_FALSE(read.ok()) << body;
    EXPECT_NE(read.error().message.find(field), std::string::npos) << read.error().message;
    EXPECT_EQ(config, SliceConfig()) << body;
  }
  SliceConfig config;
  EXPECT_FALSE(read_slice_config(json::array(), &config).ok());
  EXPECT_FALSE(read_slice_config(json::object(), &config).ok());
}

}  // namespace
}  // namespace flexai::kube
