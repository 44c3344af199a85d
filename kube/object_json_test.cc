#include "kube/object_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/object_view.h"
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
    const auto view = view_object(text);
    ASSERT_TRUE(view.ok()) << text;
    EXPECT_EQ(view->copy().dump(), usual->dump());
  }
}

// However it is held.
TEST(ObjectView, FindsWhatIsThere) {
  const char* text =
      R"({"a":{"t":"x","n":7,"m":-7,"big":18446744073709551615,"d":1.5,"b":true,"z":null},)"
      R"("l":[1,"two",{"k":"v"}],"e":[],"a2":1,"a2":2})";
  const json held = json::parse(text);
  const auto parsed = view_object(text);
  ASSERT_TRUE(parsed.ok());
  for (const ObjectView& view : {*parsed, ObjectView(held)}) {
    const ObjectView a = view.find("a");
    EXPECT_TRUE(view.is_object() && a.is_object() && !a.is_array() && !a.is_string());
    EXPECT_EQ(a.find("t").text(), "x");
    EXPECT_TRUE(a.find("t") == "x");
    EXPECT_FALSE(a.find("t") == "y");
    EXPECT_FALSE(a.find("n") == "7");
    EXPECT_EQ(a.find("n").number(), 7);
    EXPECT_EQ(a.find("m").number(), -7);
    EXPECT_EQ(static_cast<uint64_t>(a.find("big").number()), UINT64_MAX);
    EXPECT_TRUE(a.find("n").is_number_unsigned() && a.find("big").is_number_unsigned());
    EXPECT_TRUE(a.find("m").is_number_integer() && !a.find("m").is_number_unsigned());
    EXPECT_FALSE(a.find("d").is_number_integer() || a.find("t").is_number_integer());
    EXPECT_TRUE(a.find("b").is_boolean() && a.find("b").truth());
    EXPECT_TRUE(a.find("z").is_null() && a.find("nothing").is_null());
    EXPECT_TRUE(a.member("z").has_value());
    EXPECT_FALSE(a.member("nothing").has_value() || a.find("t").member("t").has_value());
    EXPECT_EQ(view.find("a2").number(), 2);
    EXPECT_EQ(a.members().size(), 7u);
    EXPECT_TRUE(view.find("l").members().empty());
    const ObjectView list = view.find("l");
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[1].text(), "two");
    EXPECT_EQ(list[2].find("k").text(), "v");
    int items = 0;
    for (const ObjectView item : list) items += item.is_object() ? 10 : 1;
    EXPECT_EQ(items, 12);
    for (const ObjectView none : {view.find("e"), a, view.find("nothing"), ObjectView()}) {
      EXPECT_TRUE(none.empty());
      for (const ObjectView item : none) ADD_FAILURE() << item.copy();
    }
    EXPECT_EQ(view.copy(), held);
    EXPECT_EQ(list.copy(), held["l"]);
  }
}

TEST(ObjectView, LeavesTheRestToTheUsualParser) {
  const auto nested = [](int levels) {
    return std::string(levels, '[') + "1" + std::string(levels, ']');
  };
  for (int levels : {62, 63, 64}) EXPECT_TRUE(view_object(nested(levels)).ok()) << levels;
  for (const std::string& text :
       {nested(65), std::string("{"), std::string(), std::string("{\"a\":\"\xff\"}"),
        "[\"" + std::string(1 << 20, 'x') + "\"]", std::string("{\"a\":\"\0\"}", 9)}) {
    EXPECT_FALSE(view_object(text).ok()) << text.substr(0, 80);
    EXPECT_FALSE(model::parse_json(text).ok());
  }
  const auto large = view_object(R"({"n":123456789012345678901234567890})");
  ASSERT_TRUE(large.ok());
  EXPECT_FALSE(large->find("n").is_number_integer());
  EXPECT_TRUE(view_object("{}").ok());
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
