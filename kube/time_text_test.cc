#include "kube/time_text.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

int64_t by_the_library(const std::string& text) {
  std::tm tm{};
  return strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm) == nullptr ? -1 : timegm(&tm);
}

TEST(TimeText, IsWhatTheLibraryMakesOfIt) {
  for (const char* text : {"2026-01-31T12:00:00Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z",
                           "1999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z",
                           "0001-01-01T00:00:00Z", "2000-03-01T07:08:09+00:00"}) {
    ASSERT_TRUE(plain_seconds(text).has_value()) << text;
    EXPECT_EQ(*plain_seconds(text), by_the_library(text)) << text;
  }
  EXPECT_EQ(unix_ms_of("2026-01-31T12:00:00.25Z"),
            by_the_library("2026-01-31T12:00:00Z") * 1000 + 250);
  EXPECT_EQ(unix_ms_of("2026-01-31T12:00:00Z"), by_the_library("2026-01-31T12:00:00Z") * 1000);
}

TEST(TimeText, LeavesTheRestToTheLibrary) {
  for (const char* text : {"", "2026", "2026-1-31T12:00:00Z", "2026-13-31T12:00:00Z",
                           "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z",
                           "2026-01-31T12:00:60Z", "2026-01-31 12:00:00", "2o26-01-31T12:00:00Z"})
    EXPECT_FALSE(plain_seconds(text).has_value()) << text;
  EXPECT_EQ(unix_ms_of("2026-02-30T12:00:00Z"), by_the_library("2026-03-02T12:00:00Z") * 1000);
  EXPECT_EQ(unix_ms_of("never"), 0);
  EXPECT_EQ(unix_ms_of(""), 0);
}

TEST(TimeText, SecondsAsServersWriteThem) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2026-01-31T12:34:56Z", "2024-02-29T23:59:59Z",
                           "9999-12-31T23:59:59Z"})
    EXPECT_EQ(text_of_seconds(*plain_seconds(text)), text);
  EXPECT_EQ(text_of_seconds(-1), "");
  EXPECT_EQ(text_of_seconds(*plain_seconds("9999-12-31T23:59:59Z") + 1), "");
}

}  // namespace
}  // namespace flexai::kube
