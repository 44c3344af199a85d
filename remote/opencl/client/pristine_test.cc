// What of mapped memory travels back.
#include "remote/opencl/client/pristine.h"

#include <gtest/gtest.h>

namespace flexai::remote::opencl {
namespace {

Landing row(std::vector<std::byte>& memory) {
  Landing landing;
  landing.at = memory.data();
  landing.row = landing.row_pitch = landing.slice_pitch = memory.size();
  return landing;
}

TEST(Pristine, OnlyChangedPagesTravelAndNeighboursTogether) {
  std::vector<std::byte> memory(10 * 4096 + 5);
  auto pristine = Pristine::make(memory.size());
  pristine->fill(row(memory));
  EXPECT_EQ(pristine->changes(memory).size(), 4u);
  memory[4095] = memory[4096] = std::byte{1};
  memory[10 * 4096 + 4] = std::byte{2};
  const auto bytes = pristine->changes(memory);
  wire::Reader reader(bytes);
  ASSERT_EQ(reader.u32("count"), 2u);
  EXPECT_EQ(reader.u64("offset"), 0u);
  EXPECT_EQ(reader.u64("size"), 2 * 4096u);
  EXPECT_EQ(reader.u64("offset"), 10 * 4096u);
  EXPECT_EQ(reader.u64("size"), 5u);
  EXPECT_EQ(reader.left(), 2 * 4096u + 5);
}

TEST(Pristine, WhatTheProgramNeverGotDidNotChange) {
  std::vector<std::byte> memory(4096, std::byte{7});
  EXPECT_EQ(Pristine::make(memory.size())->changes(memory).size(), 4u);
}

TEST(Pristine, MoreThanIsWorthItIsNotKept) {
  EXPECT_EQ(Pristine::make(size_t{1} << 40), nullptr);
  EXPECT_EQ(Pristine::make(0), nullptr);
}

TEST(Pristine, AllIsOnePiece) {
  EXPECT_EQ(all_changed(std::vector<std::byte>(9)).size(), 4u + 16 + 9);
  EXPECT_EQ(all_changed({}).size(), 4u);
}

}  // namespace
}  // namespace flexai::remote::opencl
