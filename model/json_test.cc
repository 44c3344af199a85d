#include "model/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace flexai::model {
namespace {

TEST(Json, SliceReadsBackWhatItWrites) {
  Slice s{"trainer", "pocl-0", 300, 800, 1u << 30, Qos::kElastic, Priority::kHigh, 1000, false};
  auto back = slice_from_json(to_json(s));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(*back, s);
}

TEST(Json, DeviceReadsBackWhatItWrites) {
  Device d{"pocl-0",       "k",      "opencl", "PoCL", "v", "m",  "3.1", "cpu",
           "0000:65:00.0", 1u << 30, 2,        false,  12,  true, "",    {"/usr/lib/x.so"}};
  auto back = device_from_json(to_json(d));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(*back, d);
}

TEST(Json, BadFieldsAreNamed) {
  for (auto [text, word] : {std::pair(R"({"name":3})", "name"),
                            {R"({"compute_milli":-1})", "compute_milli"},
                            {R"({"compute_milli":99999999999})", "compute_milli"},
                            {R"({"colour":"red"})", "colour"},
                            {R"({"qos":"gold"})", "gold"},
                            {R"([])", "object"},
                            {R"({"memory_bytes":1.5})", "memory_bytes"}}) {
    auto parsed = parse_json(text);
    ASSERT_TRUE(parsed.ok());
    auto r = slice_from_json(*parsed);
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_NE(r.error().message.find(word), std::string::npos) << r.error().message;
  }
}

TEST(Json, HostileTextIsRefused) {
  EXPECT_FALSE(parse_json("{").ok());
  EXPECT_FALSE(parse_json(std::string(100000, '[')).ok());
  EXPECT_FALSE(parse_json(std::string(2 << 20, ' ')).ok());
}

TEST(Slice, ValidateNamesTheWayOut) {
  Slice s{"a", "c", 300, 1000, 1, Qos::kElastic, Priority::kNormal, 0, false};
  EXPECT_TRUE(validate(s).ok());
  s.ceiling_milli = 200;
  EXPECT_FALSE(validate(s).ok());
  s.ceiling_milli = 1000;
  s.qos = Qos::kFixed;
  EXPECT_FALSE(validate(s).ok());
  s.qos = Qos::kBestEffort;
  s.compute_milli = 0;
  EXPECT_TRUE(validate(s).ok());
  for (const char* name : {"", "-a", "A", "a b", "a/b", "../x"}) {
    s.name = name;
    EXPECT_FALSE(validate(s).ok()) << name;
  }
}

TEST(Json, NothingIsHiddenBehindAZeroByte) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(parse_json("0"sv).ok());
  EXPECT_FALSE(parse_json("0\0{\"qos\"33"sv).ok());
  EXPECT_FALSE(parse_json("{}\0"sv).ok());
}

}  // namespace
}  // namespace flexai::model
