#include "wire/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace flexai::wire {
namespace {

TEST(Crc32c, GivesTheValuesOfRfc3720) {
  for (auto* sum : {crc32c, crc32c_portable}) {
    EXPECT_EQ(sum(bytes_of(std::string(32, '\0')), 0), 0x8a9136aau);
    EXPECT_EQ(sum(bytes_of(std::string(32, '\xff')), 0), 0x62a8ab43u);
    EXPECT_EQ(sum(bytes_of("123456789"), 0), 0xe3069283u);
  }
}

TEST(Crc32c, PartsGiveTheSumOfTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 7));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    std::string_view whole = text;
    uint32_t first = crc32c(bytes_of(whole.substr(0, cut)));
    EXPECT_EQ(crc32c(bytes_of(whole.substr(cut)), first), crc32c_portable(bytes_of(whole)));
  }
}

}  // namespace
}  // namespace flexai::wire
