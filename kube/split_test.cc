#include "kube/split.h"

#include <gtest/gtest.h>

#include <vector>

namespace flexai::kube {
namespace {

using base::Code;

// Feeds `text` in pieces of `piece` bytes; the pieces found and how it ended.
template <typename Splitter>
std::vector<std::string> split(Splitter& splitter, std::string_view text, size_t piece,
                               base::Status* end) {
  std::vector<std::string> found;
  for (size_t at = 0; at < text.size() && end->ok(); at += piece)
    *end = splitter.feed(text.substr(at, piece), [&found](ObjectText one) {
      found.emplace_back(one.json);
      return true;
    });
  return found;
}

TEST(LineSplitter, GivesWholeLinesHoweverTheyArrive) {
  const std::string text = "{\"a\":1}\n\n{\"b\":\"x\\n\"}\n{\"half";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    LineSplitter splitter(1000);
    base::Status end;
    EXPECT_EQ(split(splitter, text, piece, &end),
              (std::vector<std::string>{"{\"a\":1}", "{\"b\":\"x\\n\"}"}));
    EXPECT_TRUE(end.ok());
    EXPECT_TRUE(splitter.inside());
  }
}

TEST(LineSplitter, AnEndlessLineIsCorrupt) {
  LineSplitter splitter(100);
  base::Status end;
  split(splitter, std::string(101, 'x'), 7, &end);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, Code::kCorrupt);
}

TEST(LineSplitter, StopsWhenItIsTold) {
  LineSplitter splitter(100);
  int lines = 0;
  ASSERT_TRUE(splitter.feed("a\nb\nc\n", [&lines](ObjectText) { return ++lines < 2; }).ok());
  EXPECT_EQ(lines, 2);
}

constexpr const char* kList = R"({ "kind":"List", "items" : [ {"a":"]}\"{[","b":[{"c":1}, 2]} ,)"
                              R"({"d":{}}], "metadata":{"resourceVersion":"7","items":[1]} } )";

TEST(ItemSplitter, GivesTheObjectsAndKeepsTheRestHoweverTheyArrive) {
  const std::string text = kList;
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    ItemSplitter splitter({});
    base::Status end;
    auto items = split(splitter, text, piece, &end);
    ASSERT_TRUE(end.ok()) << end.error().message;
    EXPECT_EQ(items,
              (std::vector<std::string>{R"({"a":"]}\"{[","b":[{"c":1}, 2]})", R"({"d":{}})"}))
        << piece;
    EXPECT_TRUE(splitter.whole());
    EXPECT_EQ(splitter.envelope(),
              R"({ "kind":"List", "items" : [], "metadata":{"resourceVersion":"7","items":[1]} })");
  }
}

TEST(ItemSplitter, AHalfListIsNotWhole) {
  const std::string text = kList;
  for (size_t size = 0; size + 2 < text.size(); ++size) {
    ItemSplitter splitter({});
    base::Status end;
    split(splitter, std::string_view(text).substr(0, size), 16, &end);
    EXPECT_TRUE(end.ok());
    EXPECT_FALSE(splitter.whole()) << size;
  }
}

TEST(ItemSplitter, WhatIsNoListIsCorrupt) {
  for (const char* bad :
       {"[", "x", R"({"items":[1]})", R"({"items":["a"]})", R"({"items":[[]]})",
        R"({"items":[{}}])", R"({]})", R"({"items":[]} {)", R"({"items":[null]})"}) {
    ItemSplitter splitter({});
    base::Status end;
    split(splitter, bad, 3, &end);
    EXPECT_FALSE(end.ok() && splitter.whole()) << bad;
    EXPECT_FALSE(end.ok()) << bad;
  }
}

TEST(ItemSplitter, NeitherObjectsNorTheRestGrowWithoutBound) {
  SplitLimits limits;
  limits.line = 100;
  limits.envelope = 100;
  ItemSplitter items(limits), rest(limits), deep(SplitLimits{});
  base::Status end;
  split(items, R"({"items":[{"a":")" + std::string(200, 'x'), 7, &end);
  EXPECT_FALSE(end.ok());
  end = {};
  split(rest, R"({"kind":")" + std::string(200, 'x'), 7, &end);
  EXPECT_FALSE(end.ok());
  end = {};
  split(deep, R"({"items":[{"a":)" + std::string(10000, '['), 7, &end);
  EXPECT_FALSE(end.ok());
}

}  // namespace
}  // namespace flexai::kube
