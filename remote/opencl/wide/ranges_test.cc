#include "remote/opencl/wide/ranges.h"

#include <gtest/gtest.h>

namespace flexai::remote::opencl::wide {
namespace {

Token command() { return std::make_shared<Arrival>(false); }
Token move() { return std::make_shared<Arrival>(true); }

TEST(Ranges, NobodyWroteItSoItIsEverywhere) {
  const Ranges ranges(100);
  EXPECT_TRUE(ranges.need(0, 100, 0).moves.empty());
  EXPECT_TRUE(ranges.need(0, 100, 3).moves.empty());
  EXPECT_TRUE(ranges.only_at(2));
}

TEST(Ranges, WhatOneWroteTheOthersNeed) {
  Ranges ranges(100);
  const Token write = command();
  ranges.written(10, 20, 1, write);
  EXPECT_TRUE(ranges.need(0, 100, 1).moves.empty());
  const auto need = ranges.need(0, 100, 0);
  ASSERT_EQ(need.moves.size(), 1u);
  EXPECT_EQ(need.moves[0].begin, 10u);
  EXPECT_EQ(need.moves[0].end, 20u);
  EXPECT_EQ(need.moves[0].from, 1u);
  EXPECT_EQ(need.moves[0].after, write);
  EXPECT_TRUE(ranges.need(20, 100, 0).moves.empty());
  EXPECT_EQ(ranges.need(15, 16, 2).moves[0].begin, 15u);
}

TEST(Ranges, ACopyIsMadeOnceAndWaitedForUntilThen) {
  Ranges ranges(100);
  ranges.written(0, 100, 1, command());
  const Token copy = move();
  ranges.arrives(0, 50, 0, copy);
  const auto need = ranges.need(0, 100, 0);
  ASSERT_EQ(need.moves.size(), 1u);
  EXPECT_EQ(need.moves[0].begin, 50u);
  ASSERT_EQ(need.under_way.size(), 1u);
  EXPECT_EQ(need.under_way[0], copy);
  // The writer's own host waits for nothing: the order there is the program's.
  EXPECT_TRUE(ranges.need(0, 100, 1).under_way.empty());
}

TEST(Ranges, AWriteMakesTheOtherCopiesOld) {
  Ranges ranges(100);
  ranges.written(0, 100, 1, command());
  ranges.arrives(0, 100, 0, move());
  const Token second = command();
  ranges.written(25, 75, 0, second);
  const auto back = ranges.need(0, 100, 1);
  ASSERT_EQ(back.moves.size(), 1u);
  EXPECT_EQ(back.moves[0].begin, 25u);
  EXPECT_EQ(back.moves[0].end, 75u);
  EXPECT_EQ(back.moves[0].after, second);
  EXPECT_FALSE(ranges.only_at(0));
}

TEST(Ranges, TheProgramsCopyIsForTheFirstThatNeedsIt) {
  Ranges ranges(8);
  ranges.written(0, 8, kProgram, nullptr);
  EXPECT_EQ(ranges.need(0, 8, 2).moves[0].from, kProgram);
  ranges.arrives(0, 4, 2, move());
  EXPECT_TRUE(ranges.anything_at(kProgram));
  ranges.arrives(4, 8, 2, move());
  EXPECT_FALSE(ranges.anything_at(kProgram));
  const auto need = ranges.need(0, 8, 1);
  EXPECT_EQ(need.moves[0].from, 2u);
}

TEST(Ranges, PartsThatAreAlikeBecomeOneAgain) {
  Ranges ranges(100);
  for (size_t at = 0; at < 100; at += 10) ranges.written(at, at + 10, 1, command());
  EXPECT_EQ(ranges.need(0, 100, 0).moves.size(), 10u);
  const Token all = command();
  ranges.written(0, 100, 1, all);
  const auto need = ranges.need(0, 100, 0);
  ASSERT_EQ(need.moves.size(), 1u);
  EXPECT_EQ(need.moves[0].end, 100u);
  ranges.written(50, 50, 0, command());  // of nothing
  EXPECT_TRUE(ranges.only_at(1));
}

}  // namespace
}  // namespace flexai::remote::opencl::wide
