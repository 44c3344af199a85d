// Where bytes that a command read land in the program's memory.
#include "remote/opencl/landing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace flexai::remote::opencl {
namespace {

// Two slices of three rows of four bytes, in rows 6 apart and slices 20 apart.
struct Box {
  Box() {
    landing.at = memory.data();
    landing.row = 4;
    landing.rows = 3;
    landing.slices = 2;
    landing.row_pitch = 6;
    landing.slice_pitch = 20;
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i + 1);
  }
  std::vector<std::byte> memory = std::vector<std::byte>(64);
  std::vector<std::byte> bytes = std::vector<std::byte>(24);
  Landing landing;
};

TEST(Landing, PiecesOfAnySizeFindTheirPlace) {
  Box whole;
  land(whole.landing, 0, whole.bytes);
  EXPECT_EQ(whole.memory[20 + 6 + 1], std::byte{12 + 4 + 1 + 1});
  for (size_t piece = 1; piece < 24; ++piece) {
    Box box;
    for (size_t at = 0; at < 24; at += piece)
      land(box.landing, at, wire::Bytes(box.bytes).subspan(at, std::min(piece, 24 - at)));
    EXPECT_EQ(box.memory, whole.memory) << piece;
  }
  EXPECT_EQ(std::count(whole.memory.begin(), whole.memory.end(), std::byte{0}), 64 - 24);
}

TEST(Landing, BytesBeyondItAreDropped) {
  Box box;
  land(box.landing, 20, box.bytes);
  land(box.landing, SIZE_MAX, wire::Bytes(box.bytes).first(1));
  EXPECT_EQ(std::count(box.memory.begin(), box.memory.end(), std::byte{0}), 64);
}

TEST(Landing, GatherIsTheWayBack) {
  Box box;
  land(box.landing, 0, box.bytes);
  std::vector<std::byte> back(24);
  gather(box.landing, back.data());
  EXPECT_EQ(back, box.bytes);
}

}  // namespace
}  // namespace flexai::remote::opencl
