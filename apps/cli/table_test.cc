#include "apps/cli/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/cli/top_view.h"

namespace flexai::apps {
namespace {

using nlohmann::json;

TEST(Table, AlignsNumbersRightAndTextLeft) {
  auto lines = format_table({{"A"}, {"N", true}}, {{"x", "10"}, {"long", "5"}});
  EXPECT_EQ(lines, (std::vector<std::string>{"A      N", "x     10", "long   5"}));
}

TEST(Table, LeavesOutTheLeastImportantColumnsFirst) {
  auto lines = format_table({{"AAAA", false, 3}, {"BBBB", false, 1}, {"CCCC", false, 2}},
                            {{"1", "2", "3"}}, 10);
  EXPECT_EQ(lines[0], "AAAA  CCCC");
}

TEST(Table, CutsWhatIsStillTooWide) { EXPECT_EQ(format_table({{"ABCDEFGH"}}, {}, 3)[0], "ABC"); }

TEST(Table, ControlBytesCannotReachTheTerminal) {
  EXPECT_EQ(format_table({{"A"}}, {{"x\x1b[2J"}})[1], "x?[2J");
}

TEST(Table, CountsCharactersNotBytes) {
  auto lines = format_table({{"A"}, {"B"}}, {{"\xc3\xbc", "1"}, {"u", "2"}});
  EXPECT_EQ(lines[1], "\xc3\xbc  1");
}

json top_of(int slices) {
  json top = {{"slices", json::array()}, {"cards", {{{"id", "fake-0"}, {"healthy", true}}}}};
  for (int i = 0; i < slices; ++i)
    top["slices"].push_back({{"name", "slice-" + std::to_string(i)}, {"card", "fake-0"}});
  return top;
}

TEST(TopView, FitsEveryTerminal) {
  for (size_t width : {1, 7, 20, 80, 200})
    for (size_t height : {1, 2, 3, 10, 50}) {
      auto lines = top_lines(top_of(30), width, height);
      EXPECT_LE(lines.size(), height);
      for (const auto& line : lines) EXPECT_LE(line.size(), width);
    }
}

TEST(TopView, SaysHowManySlicesAreLeftOut) {
  auto lines = top_lines(top_of(30), 80, 10);
  ASSERT_EQ(lines.size(), 10u);
  EXPECT_EQ(lines[8], "... 23 more slices");
  EXPECT_EQ(lines[9].substr(0, 8), "= fake-0");
}

TEST(TopView, ShowsAllWhereThereIsRoom) { EXPECT_EQ(top_lines(top_of(30), 0, 0).size(), 32u); }

}  // namespace
}  // namespace flexai::apps
