#include "model/quantity.h"

#include <gtest/gtest.h>

namespace flexai::model {
namespace {

TEST(Quantity, SharesPeopleType) {
  for (auto [text, milli] : {std::pair("30%", 300u),
                             {"0.3", 300u},
                             {"300m", 300u},
                             {"1", 1000u},
                             {"100%", 1000u},
                             {"12.5%", 125u},
                             {"0.1%", 1u},
                             {"1m", 1u},
                             {"1.0", 1000u},
                             {".5", 500u}}) {
    auto r = parse_share(text);
    ASSERT_TRUE(r.ok()) << text;
    EXPECT_EQ(*r, milli) << text;
  }
}

TEST(Quantity, SharesOutOfRangeOrMalformedAreRefusedAndNamed) {
  for (const char* text : {"", "0", "0%", "101%", "1.001", "-5%", "30 %", "abc", "0.05%", "1e2",
                           "nan", "inf", "3..0", "30%%", "1001m"}) {
    auto r = parse_share(text);
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_NE(r.error().message.find(std::string("\"") + text), std::string::npos)
        << r.error().message;
  }
}

TEST(Quantity, SizesPeopleType) {
  for (auto [text, bytes] : {std::pair("1GiB", 1ull << 30),
                             {"512M", 512000000ull},
                             {"1.5Gi", 3ull << 29},
                             {"4096", 4096ull},
                             {"64kB", 64000ull},
                             {"64KiB", 65536ull},
                             {"2TiB", 2ull << 40},
                             {"100b", 100ull}}) {
    auto r = parse_bytes(text);
    ASSERT_TRUE(r.ok()) << text;
    EXPECT_EQ(*r, bytes) << text;
  }
  for (const char* text : {"", "0", "-1", "1XiB", "GiB", "1 GiB", "99999999TiB", "0x10", "1e9"})
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
}

TEST(Quantity, FormatsReadBack) {
  for (uint32_t milli : {1u, 125u, 300u, 1000u})
    EXPECT_EQ(*parse_share(format_share(milli)), milli);
  for (uint64_t bytes : {1ull, 4096ull, 1ull << 30, 3ull << 29})
    EXPECT_EQ(*parse_bytes(format_bytes(bytes)), bytes);
}

}  // namespace
}  // namespace flexai::model
