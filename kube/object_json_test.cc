#include "kube/object_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/json.h"

namespace flexai::kube {
namespace {

using nlohmann::json;

TEST(ObjectJson, IsWhatTheUsualParserMakesOfIt) {
  for (
      const char* text :
      {R"({"a":{"c":[1,-1,0,18446744073709551615,1.5,true,false,null,"x\"\u00e9\n"],"b":{}},"0":[]})",
       R"({"a":1,"a":2})", R"([])", R"("text")", R"({"n":123456789012345678901234567890})",
       R"({"n":1e3})", R"({"spec":{"managedFields":1},"x":{"metadata":{"managedFields":2}}})"}) {
    const auto fast = parse_object(text);
    const auto usual = model::parse_json(text);
    ASSERT_TRUE(fast.ok()) << text << ": " << fast.error().message;
    ASSERT_TRUE(usual.ok());
    EXPECT_EQ(*fast, *usual) << text;
    EXPECT_EQ(fast->dump(), usual->dump());
  }
}

TEST(ObjectJson, WhatNobodyReadsIsNotKept) {
  const auto object = parse_object(
      R"({"metadata":{"name":"a","managedFields":[{"fieldsV1":{"f:x":{}}}],"uid":"u"},"spec":1})");
  ASSERT_TRUE(object.ok());
  EXPECT_EQ(*object, json::parse(R"({"metadata":{"name":"a","uid":"u"},"spec":1})"));
  const auto status = parse_object(
      R"({"spec":{"images":[1],"containerStatuses":2},"status":{"images":[],"containerStatuses":[{}],"phase":"x"}})");
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(*status,
            json::parse(R"({"spec":{"images":[1],"containerStatuses":2},"status":{"phase":"x"}})"));
}

TEST(ObjectJson, NumbersThatAreNotNegativeAreUnsigned) {
  const auto object = parse_object(R"({"a":7,"b":-7})");
  ASSERT_TRUE(object.ok());
  EXPECT_TRUE((*object)["a"].is_number_unsigned());
  EXPECT_FALSE((*object)["b"].is_number_unsigned());
  EXPECT_EQ((*object)["b"], -7);
}

TEST(ObjectJson, RefusesWhatTheUsualParserRefuses) {
  const auto nested = [](int levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_TRUE(parse_object(nested(64)).ok());
  EXPECT_FALSE(parse_object(nested(65)).ok());
  EXPECT_FALSE(parse_object("{").ok());
  EXPECT_FALSE(parse_object("").ok());
  EXPECT_FALSE(parse_object("{\"a\":\"\xff\"}").ok());
  EXPECT_FALSE(parse_object("[\"" + std::string(1 << 20, 'x') + "\"]").ok());
  // The parser is as good as before after each of these.
  EXPECT_TRUE(parse_object("{}").ok());
}

}  // namespace
}  // namespace flexai::kube
