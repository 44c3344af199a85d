#include "kube/server_clock.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

constexpr int64_t kThen = 784111777'000;  // Sun, 06 Nov 1994 08:49:37 GMT
const char* const kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

TEST(ServerClock, ItIsAsFarAheadAsItSays) {
  ServerClock clock;
  clock.heard(kDate, kThen - 3'600'000);
  EXPECT_EQ(clock.ahead_ms(), 3'600'500);
  clock.heard(kDate, kThen - 3'600'900);  // its seconds are whole: no other word
  EXPECT_EQ(clock.ahead_ms(), 3'600'500);
  clock.heard(kDate, kThen + 600'000);
  EXPECT_EQ(clock.ahead_ms(), -599'500);
  clock.heard(kDate, kThen + 900);
  EXPECT_EQ(clock.ahead_ms(), 0);
}

TEST(ServerClock, WhatIsNoDateSaysNothing) {
  ServerClock clock;
  for (const char* text : {"", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT!",
                           "Sun, 06 Nov 9994 08:49:37 GMT", "784111777"})
    clock.heard(text, kThen);
  EXPECT_EQ(clock.ahead_ms(), 0);
}

TEST(ServerClock, PeopleAreToldOnceOfEachChange) {
  int64_t told = 0;
  EXPECT_EQ(clock_warning(20'000, &told), "");
  EXPECT_EQ(clock_warning(3'600'500, &told).substr(0, 70),
            "the clock of this host is 3600 s behind the API server's; set it right");
  EXPECT_EQ(clock_warning(3'601'500, &told), "");
  EXPECT_NE(clock_warning(-90'000, &told).find("90 s ahead of"), std::string::npos);
  EXPECT_EQ(clock_warning(0, &told), "the clocks of this host and of the API server agree");
  EXPECT_EQ(clock_warning(0, &told), "");
}

}  // namespace
}  // namespace flexai::kube
