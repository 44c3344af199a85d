#include "remote/completions.h"

#include <gtest/gtest.h>

namespace flexai::remote {
namespace {

TEST(Completions, TravelWholeOrNotAtAll) {
  std::vector<Completion> some = {{make_id(1, 1), 0, {1, 2, 3, 4}}, {make_id(2, 9), -5, {}}};
  wire::Writer writer;
  encode(some, writer);
  auto read = decode_completions(writer.bytes());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, some);
  for (size_t size = 0; size < writer.bytes().size(); ++size)
    EXPECT_FALSE(decode_completions(writer.bytes().first(size)).ok());
}

TEST(Completions, ACountThatPromisesTooMuchIsRefused) {
  wire::Writer writer;
  writer.u16(kMostCompletions + 1);
  EXPECT_FALSE(decode_completions(writer.bytes()).ok());
  writer.clear();
  writer.u16(0);
  EXPECT_FALSE(decode_completions(writer.bytes()).ok());
}

}  // namespace
}  // namespace flexai::remote
