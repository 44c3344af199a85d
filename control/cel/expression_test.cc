#include "control/cel/expression.h"

#include <gtest/gtest.h>

namespace flexai::control::cel {
namespace {

// As kube-scheduler shows a device.
Value card() {
  Map own, other, memory;
  own.never_misses = false;
  own.entries = {{Value{std::string("brand")}, Value{std::string("Acme Titan")}},
                 {Value{std::string("ncu")}, Value{int64_t{1500}}},
                 {Value{std::string("sick")}, Value{false}},
                 {Value{std::string("driver")}, Value{*parse_version("1.30.2-rc.1")}}};
  memory.entries = {{Value{std::string("memory")}, Value{*parse_amount("24Gi")}}};
  Map attributes, capacity, device;
  attributes.never_misses = capacity.never_misses = true;
  attributes.entries = {{Value{std::string("xpu.flexai.io")}, map_of(own)}};
  capacity.entries = {{Value{std::string("xpu.flexai.io")}, map_of(memory)}};
  device.entries = {{Value{std::string("driver")}, Value{std::string("xpu.flexai.io")}},
                    {Value{std::string("attributes")}, map_of(attributes)},
                    {Value{std::string("capacity")}, map_of(capacity)}};
  return map_of(device);
}

std::string said(const std::string& text) {
  const auto parsed = parse(text);
  if (!parsed.ok()) return parsed.error().message;
  const auto value = holds(**parsed, card());
  if (!value.ok()) return value.error().message;
  return *value ? "yes" : "no";
}

TEST(Expression, SelectsByWhatACardIs) {
  const char* const kTrue[] = {
      R"(device.driver == "xpu.flexai.io")",
      R"(device.attributes["xpu.flexai.io"].brand.startsWith('Acme'))",
      R"(device.attributes["xpu.flexai.io"].brand.matches("^A.*an$"))",
      R"(device.attributes["xpu.flexai.io"].ncu >= 1000 && !device.attributes["xpu.flexai.io"].sick)",
      R"("brand" in device.attributes["xpu.flexai.io"])",
      R"(!("brand" in device.attributes["other.io"]))",
      R"(has(device.attributes["xpu.flexai.io"].ncu) && !has(device.attributes["x"].ncu))",
      R"(device.capacity["xpu.flexai.io"].memory.compareTo(quantity("16Gi")) > 0)",
      R"(device.capacity["xpu.flexai.io"].memory.isGreaterThan(quantity("16Gi")))",
      R"(device.capacity["xpu.flexai.io"].memory == quantity("24576Mi"))",
      R"(device.attributes["xpu.flexai.io"].driver.isLessThan(semver("1.30.2")))",
      R"(device.attributes["xpu.flexai.io"].driver.major() == 1)",
      R"(cel.bind(a, device.attributes["xpu.flexai.io"], a.ncu / 500 == 3 ? a.ncu % 7 == 2 : false))",
      R"(device.attributes["xpu.flexai.io"].ncu in [1, 1500])",
      R"(["a", "b"].exists(x, x == "b") && [1, 2].all(x, x > 0) && [1, 2, 2].exists_one(x, x == 1))",
      R"([1, 2, 3].filter(x, x > 1).map(x, x * 2) == [4, 6])",
      R"({"a": 1}["a"] == 1 && size({"a": 1}) == 1 && "abc".size() == 3)",
      "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && -5 / 2 == -2 && 7 - 2 - 1 == 4",
      "1 == 1.0 && 2u > 1 && 0x10 == 16 && 1e3 == 1000.0 && -9223372036854775808 < 0",
      R"('a' + "b" == r"ab" && "\u00e4\x41\n" == 'äA\n' )",
      "true || 1 / 0 == 1",
      "1 / 0 == 1 || true",
      "!(false && 1 / 0 == 1)",
      "'Acme'.lowerAscii() == 'acme' && ' a '.trim() == 'a' && 'a,b'.split(',')[1] == 'b'",
  };
  for (const char* text : kTrue) EXPECT_EQ(said(text), "yes") << text;
}

TEST(Expression, WhatHasNoValueSaysWhere) {
  EXPECT_EQ(said("1 / 0 == 1"), "at character 3: division by zero");
  EXPECT_EQ(said(R"(device.attributes["xpu.flexai.io"].model == "x")"),
            "at character 36: there is no model");
  EXPECT_EQ(said(R"(device.attributes["a"].b.c)"), "at character 24: there is no b");
  EXPECT_EQ(said("9223372036854775807 + 1 > 0"), "at character 21: the number is too large");
  EXPECT_EQ(said("'a' < 1"), "at character 5: it takes no string, int");
  EXPECT_EQ(said("1"), "it gives a int, not a truth value");
  EXPECT_EQ(said("nothing"), "at character 1: there is no \"nothing\"");
  EXPECT_EQ(said("'a'.matches('(')"), "at character 5: the pattern is wrong: missing ): (");
}

TEST(Expression, WhatIsNotUnderstoodIsRefusedWithItsPosition) {
  EXPECT_EQ(said("device.driver.format([1]) == ''"),
            "at character 15: function format with 1 arguments is not supported here");
  EXPECT_EQ(said("duration('1s') > 1"),
            "at character 1: function duration with 1 arguments is not supported here");
  EXPECT_EQ(said("b'a' == b'a'"), "at character 1: bytes are not supported here");
  EXPECT_EQ(said("a ="), "at character 3: this sign is not known");
  EXPECT_EQ(said("(1"), "at character 3: \")\" is missing");
  EXPECT_EQ(said("'abc"), "at character 1: this text has no end");
  EXPECT_EQ(said("1 2"), "at character 3: \"a literal\" is not expected here");
  EXPECT_EQ(said("9223372036854775808 > 0"), "at character 1: this is no number");
}

TEST(Expression, HostileTextsAreBounded) {
  EXPECT_NE(said(std::string(5000, '(')).find("nested too deeply"), std::string::npos);
  EXPECT_NE(said(std::string(5000, '[')).find("nested too deeply"), std::string::npos);
  EXPECT_NE(said(std::string(20000, '1')).find("longer"), std::string::npos);
  EXPECT_NE(said("a" + std::string(3000, '.')).find("not expected"), std::string::npos);
  // Each of four lists of ten walks the next: ten thousand times ten.
  std::string deep = "true";
  for (int i = 0; i < 6; ++i)
    deep = "[0,1,2,3,4,5,6,7,8,9].all(v" + std::to_string(i) + ", " + deep + ")";
  EXPECT_NE(said(deep).find("costs too much"), std::string::npos);
  std::string doubled = "x == ''";
  for (int i = 0; i < 30; ++i) doubled = "cel.bind(x, x + x, " + doubled + ")";
  EXPECT_NE(said("cel.bind(x, 'aaaaaaaaaaaaaaaa', " + doubled + ")").find("costs too much"),
            std::string::npos);
}

TEST(Version, PrecedenceIsThatOfTheStandard) {
  const char* const kRising[] = {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                 "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
                                 "1.0.0-rc.1",  "1.0.0",         "1.0.1",
                                 "1.2.0",       "2.0.0"};
  for (size_t i = 0; i + 1 < std::size(kRising); ++i)
    EXPECT_LT(parse_version(kRising[i])->compare(*parse_version(kRising[i + 1])), 0) << kRising[i];
  EXPECT_EQ(parse_version("1.0.0+a")->compare(*parse_version("1.0.0+b")), 0);
  for (const char* wrong : {"", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0.0"})
    EXPECT_FALSE(parse_version(wrong)) << wrong;
  EXPECT_TRUE(parse_version("v1.2", true));
}

TEST(Amount, ReadsWhatKubernetesWrites) {
  EXPECT_EQ(parse_amount("500m")->milli(), 500);
  EXPECT_EQ(parse_amount("0.5")->milli(), 500);
  EXPECT_EQ(parse_amount("1Gi")->value(), 1 << 30);
  EXPECT_EQ(parse_amount("1.5Gi")->value(), 3 << 29);
  EXPECT_EQ(parse_amount("1e3")->value(), 1000);
  EXPECT_EQ(parse_amount("2E")->value(), 2'000'000'000'000'000'000);
  EXPECT_EQ(parse_amount("100n")->value(), 1);
  EXPECT_EQ(parse_amount("-1")->value(), -1);
  for (const char* wrong :
       {"", "-", "1x", "1 Gi", "e3", "9223372036854775808", "100Ei", "1e99", "."})
    EXPECT_FALSE(parse_amount(wrong).ok()) << wrong;
  for (const char* text : {"300", "1Gi", "500m", "1500m", "0", "1025Ki"})
    EXPECT_EQ(text_of(*parse_amount(text)), text);
}

}  // namespace
}  // namespace flexai::control::cel
