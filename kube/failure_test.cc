#include "kube/failure.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

using base::Code;

TEST(Failure, AStatusObjectGivesReasonMessageAndCause) {
  Failure f = failure_of(
      429,
      R"({"kind":"Status","code":429,"message":"Cannot evict pod\nnow","reason":"TooManyRequests",
          "details":{"causes":[{"reason":"DisruptionBudget","message":"x"}],"retryAfterSeconds":10}})",
      "");
  EXPECT_EQ(f.code, Code::kExhausted);
  EXPECT_EQ(f.reason, "TooManyRequests");
  EXPECT_EQ(f.cause, "DisruptionBudget");
  EXPECT_EQ(f.message, "Cannot evict pod now (HTTP 429)");
  EXPECT_EQ(f.retry_after, 10 * base::kSecond);
}

TEST(Failure, TheHeaderOutranksTheBody) {
  Failure f = failure_of(503, R"({"kind":"Status","details":{"retryAfterSeconds":10}})", "3");
  EXPECT_EQ(f.retry_after, 3 * base::kSecond);
  EXPECT_EQ(f.message, "the server gives no reason (HTTP 503)");
}

TEST(Failure, AnyBodyIsOneBoundedLine) {
  EXPECT_EQ(failure_of(502, "Bad\x01 Gateway\nmore", "").message, "Bad  Gateway (HTTP 502)");
  EXPECT_LT(failure_of(500, std::string(1 << 20, 'x'), "").message.size(), 600u);
  EXPECT_EQ(failure_of(500, R"({"kind":"Status","message":7,"details":[1]})", "").message,
            "the server gives no reason (HTTP 500)");
}

TEST(Failure, CodesFollowHttp) {
  for (auto [http, code] : {std::pair(400, Code::kInvalid), std::pair(422, Code::kInvalid),
                            std::pair(401, Code::kDenied), std::pair(403, Code::kDenied),
                            std::pair(404, Code::kNotFound), std::pair(409, Code::kConflict),
                            std::pair(410, Code::kUnavailable), std::pair(415, Code::kUnsupported),
                            std::pair(504, Code::kTimeout), std::pair(503, Code::kUnavailable),
                            std::pair(500, Code::kInternal)})
    EXPECT_EQ(failure_of(http, "", "").code, code) << http;
}

TEST(Failure, TheLastEventOfAWatchSaysThatItIsExpired) {
  EXPECT_TRUE(failure_of_status(R"({"kind":"Status","code":410,"reason":"Expired"})").expired());
  EXPECT_FALSE(failure_of_status(R"({"kind":"Status","code":99999999999999999999})").expired());
  EXPECT_FALSE(failure_of_status("[").expired());
}

TEST(Failure, AWishIsSecondsWithinReason) {
  EXPECT_EQ(wish_of("0"), 0);
  EXPECT_EQ(wish_of("7"), 7 * base::kSecond);
  EXPECT_EQ(wish_of("999999"), 3600 * base::kSecond);
  for (const char* bad : {"", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999"})
    EXPECT_EQ(wish_of(bad), kNoWish) << bad;
}

}  // namespace
}  // namespace flexai::kube
