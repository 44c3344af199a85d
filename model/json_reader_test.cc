#include "model/json_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/json.h"

namespace flexai::model {
namespace {

using nlohmann::json;

constexpr JsonRules kNarrow = {
    .longest_text = 3, .largest_number = 9, .null_is_absent = false, .object = "an object"};

template <typename T>
std::string said(const json& value, const JsonRules& rules, std::optional<std::string> where,
                 T out = {}, bool required = false) {
  JsonReader reader(value, rules, std::move(where));
  const base::Status status = reader.get("a", &out, required).finish();
  return status.ok() ? "" : status.error().message;
}

TEST(JsonReader, RulesAreTheReadersOwn) {
  const std::string wrong = "field \"a\" has the wrong type or is out of range";
  EXPECT_EQ(said<std::string>({{"a", "abc"}}, kNarrow, "x"), "");
  EXPECT_EQ(said<std::string>({{"a", "abcd"}}, kNarrow, "x"), "x: " + wrong);
  EXPECT_EQ(said<std::string>({{"a", std::string(4096, 'a')}}, {}, std::nullopt), "");
  EXPECT_EQ(said<std::string>({{"a", std::string(4097, 'a')}}, {}, std::nullopt), wrong);
  EXPECT_EQ(said<uint64_t>({{"a", 9u}}, kNarrow, ""), "");
  EXPECT_EQ(said<uint64_t>({{"a", 10u}}, kNarrow, ""), ": " + wrong);
  EXPECT_EQ(said<uint64_t>({{"a", UINT64_MAX}}, {}, std::nullopt), "");
  EXPECT_EQ(said<int64_t>({{"a", -5}}, kNarrow, ""), "");
  EXPECT_EQ(said<uint32_t>({{"a", -5}}, {}, std::nullopt), wrong);
  EXPECT_EQ(said<uint32_t>({{"a", 1ull << 32}}, {}, std::nullopt), wrong);
  EXPECT_EQ(said<uint32_t>({{"a", true}}, {}, std::nullopt), wrong);
  EXPECT_EQ(said<bool>({{"a", 1}}, {}, std::nullopt), wrong);
  EXPECT_EQ(said<std::string>({{"a", nullptr}}, {}, std::nullopt), "");
  EXPECT_EQ(said<std::string>({{"a", nullptr}}, kNarrow, "x"), "x: " + wrong);
  EXPECT_EQ(said<std::string>({{"a", nullptr}}, {}, std::nullopt, "", true),
            "field \"a\" is missing");
  EXPECT_EQ(said<std::string>(json::array(), {}, std::nullopt), "expected a JSON object");
  EXPECT_EQ(said<std::string>(json::array(), kNarrow, "x"), "x: expected an object");
  const std::vector<std::string> full(64, "a"), over(65, "a");
  EXPECT_EQ((said<std::vector<std::string>>({{"a", full}}, kNarrow, "x")), "");
  EXPECT_EQ((said<std::vector<std::string>>({{"a", over}}, kNarrow, "x")), "x: " + wrong);
  EXPECT_EQ((said<std::vector<std::string>>({{"a", {"abcd"}}}, kNarrow, "x")), "x: " + wrong);
}

TEST(JsonReader, AbsentKeepsTheValueAndTheFirstErrorCounts) {
  const json value = {{"b", 1}, {"c", "x"}};
  uint32_t a = 7, b = 0, c = 0;
  JsonReader reader(value);
  reader.get("a", &a).get("b", &b).get("c", &c).note("later").get("d", &a, true);
  EXPECT_EQ(a, 7u);
  EXPECT_EQ(b, 1u);
  EXPECT_EQ(reader.finish().error().message, "field \"c\" has the wrong type or is out of range");
}

TEST(JsonReader, WhatNobodyAskedForIsRefused) {
  const json value = {{"a", 1}, {"policy", 2}, {std::string(100, 'z'), 3}};
  uint32_t a = 0;
  JsonReader reader(value);
  EXPECT_EQ(reader.get("a", &a).later("policy").finish().error().message,
            "unknown field \"" + std::string(60, 'z') + "\"");
}

TEST(JsonReader, OptionalFieldsSayWhatTheyMustBe) {
  auto error = [](const json& value) {
    JsonReader reader(value);
    const auto text = reader.text("text", 4);
    const auto number = reader.number("number", 1000);
    const auto texts = reader.texts("texts", 2);
    const json* object = reader.object("object");
    const base::Status status = reader.finish();
    if (!status.ok()) return status.error().message;
    EXPECT_EQ(text, "abcd");
    EXPECT_EQ(number, 1000u);
    EXPECT_EQ(texts, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(object != nullptr && object->at("k") == 1);
    return std::string();
  };
  const json good = {
      {"text", "abcd"}, {"number", 1000u}, {"texts", {"a", "b"}}, {"object", {{"k", 1}}}};
  EXPECT_EQ(error(good), "");
  for (auto [field, bad, must] :
       {std::tuple<const char*, json, const char*>{"text", "abcde", "a text of at most 4 bytes"},
        {"text", std::string("a\0b", 3), "a text of at most 4 bytes"},
        {"number", 1001u, "a whole number from 0 to 1000"},
        {"number", -1, "a whole number from 0 to 1000"},
        {"number", 1.0, "a whole number from 0 to 1000"},
        {"texts", {"a", "b", "c"}, "a list of at most 2 texts"},
        {"texts", {"a", 1}, "a list of at most 2 texts"},
        {"texts", {std::string(4097, 'a')}, "a list of at most 2 texts"},
        {"object", json::array(), "an object"}}) {
    json value = good;
    value[field] = bad;
    EXPECT_EQ(error(value), "field \"" + std::string(field) + "\" must be " + must);
  }
}

TEST(JsonReader, ListsNameThePlace) {
  const json value = {{"items", {{{"a", 1}}, {{"a", "x"}}}}};
  auto read = [](const json& v, const std::string& where, uint32_t* out) {
    return JsonReader(v, kNarrow, where).get("a", out, true).finish();
  };
  std::vector<uint32_t> items;
  EXPECT_EQ(JsonReader(value, kNarrow, "").list("items", &items, read).finish().error().message,
            "items[1]: field \"a\" has the wrong type or is out of range");
  EXPECT_EQ(items, std::vector<uint32_t>{1});
  const json none = {{"items", 3}};
  EXPECT_EQ(JsonReader(none, kNarrow, "x").list("items", &items, read).finish().error().message,
            "x: field \"items\" must be a list");
}

TEST(JsonReader, DepthCountsBracketsOutsideOfStrings) {
  EXPECT_FALSE(nested_deeper("[[[]]]", 3));
  EXPECT_TRUE(nested_deeper("[[[]]]", 2));
  EXPECT_FALSE(nested_deeper("[][][]{}{}", 1));
  EXPECT_FALSE(nested_deeper(R"(["[[[[\"[["])", 1));
  EXPECT_TRUE(nested_deeper(R"(["\\"[)", 1));
  EXPECT_FALSE(nested_deeper("\"\\", 0));
}

}  // namespace
}  // namespace flexai::model
