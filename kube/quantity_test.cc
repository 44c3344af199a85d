#include "kube/quantity.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

TEST(Quantity, IsReadAsTheServerReadsIt) {
  const std::pair<const char*, uint64_t> cases[] = {{"0", 0},
                                                    {"300", 300},
                                                    {"+7", 7},
                                                    {"1Gi", 1u << 30},
                                                    {"1.5Gi", 3u << 29},
                                                    {"1k", 1000},
                                                    {"2M", 2000000},
                                                    {"500m", 1},
                                                    {"1500m", 2},
                                                    {"1e3", 1000},
                                                    {"1E3", 1000},
                                                    {"12e-1", 2},
                                                    {"0.001", 1},
                                                    {"1E", 1000000000000000000u},
                                                    {"7Ei", 7ull << 60},
                                                    {"9223372036854775807", 9223372036854775807u},
                                                    {".5Ki", 512},
                                                    {"4.", 4}};
  for (const auto& [text, value] : cases) {
    auto read = parse_quantity(text);
    ASSERT_TRUE(read.ok()) << text << ": " << read.error().message;
    EXPECT_EQ(*read, value) << text;
  }
}

TEST(Quantity, WhatIsNoneIsRefused) {
  for (const char* text : {"", "-1", "Gi", ".", "1 Gi", "1GB", "1gi", "0x10", "1e", "1e99", "8Ei",
                           "9223372036854775808", "99999999999999999999999999999999999999999999",
                           "1..2", "nan", "1e+", "1e-10"})
    EXPECT_FALSE(parse_quantity(text).ok()) << text;
}

TEST(Quantity, IsWrittenShort) {
  EXPECT_EQ(binary_quantity(0), "0");
  EXPECT_EQ(binary_quantity(1000), "1000");
  EXPECT_EQ(binary_quantity(1u << 30), "1Gi");
  EXPECT_EQ(binary_quantity(3u << 20), "3Mi");
  EXPECT_EQ(*parse_quantity(binary_quantity(5ull << 40)), 5ull << 40);
}

}  // namespace
}  // namespace flexai::kube
