#include "wire/lease.h"

#include <gtest/gtest.h>

namespace flexai::wire {
namespace {

Lease lease() {
  return {.issuer = "gpu1",
          .tenant = "alice",
          .card = "opencl/pocl/0",
          .session = "",
          .share = 300,
          .memory = 1u << 30,
          .features = 5,
          .not_before = 1000000,
          .expires = 1000600};
}

TEST(Lease, IsReadBackByWhoTrustsTheIssuer) {
  auto keys = make_lease_keys();
  ASSERT_TRUE(keys.ok());
  auto token = sign(lease(), keys->private_key);
  ASSERT_TRUE(token.ok());
  auto read = verify(*token, keys->public_key, 1000300);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, lease());
}

TEST(Lease, IsGoodForAMinuteOfClockSkewOnBothEnds) {
  auto keys = make_lease_keys();
  auto token = sign(lease(), keys->private_key);
  EXPECT_TRUE(verify(*token, keys->public_key, 1000000 - kClockSkew).ok());
  EXPECT_TRUE(verify(*token, keys->public_key, 1000600 + kClockSkew).ok());
  auto early = verify(*token, keys->public_key, 1000000 - kClockSkew - 1);
  ASSERT_FALSE(early.ok());
  EXPECT_NE(early.error().message.find("clocks"), std::string::npos);
  auto late = verify(*token, keys->public_key, 1000600 + kClockSkew + 1);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, base::Code::kDenied);
  EXPECT_NE(late.error().message.find("expired 61 s ago"), std::string::npos);
}

TEST(Lease, EveryChangedBitIsNoticed) {
  auto keys = make_lease_keys();
  auto token = sign(lease(), keys->private_key);
  for (size_t i = 0; i < token->size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = *token;
      changed[i] ^= static_cast<std::byte>(1 << bit);
      ASSERT_EQ(verify(changed, keys->public_key, 1000300).error().code, base::Code::kDenied);
    }
  }
  for (size_t size = 0; size < token->size(); ++size)
    ASSERT_FALSE(verify(Bytes(*token).first(size), keys->public_key, 1000300).ok());
}

TEST(Lease, OfTimesThatAreNoneIsNotRead) {
  auto keys = make_lease_keys();
  for (int64_t time : {INT64_MIN, int64_t{-1}}) {
    Lease old = lease();
    old.not_before = old.expires = time;
    auto token = sign(old, keys->private_key);
    EXPECT_EQ(verify(*token, keys->public_key, 1000300).error().code, base::Code::kCorrupt);
  }
  Lease late = lease();
  late.not_before = late.expires = INT64_MAX;
  EXPECT_FALSE(verify(*sign(late, keys->private_key), keys->public_key, 1000300).ok());
}

TEST(Lease, OfAnotherIssuerIsDenied) {
  auto keys = make_lease_keys(), others = make_lease_keys();
  auto token = sign(lease(), others->private_key);
  EXPECT_EQ(verify(*token, keys->public_key, 1000300).error().code, base::Code::kDenied);
}

TEST(Lease, WithMoreThanTheCardIsNeitherSignedNorAccepted) {
  auto keys = make_lease_keys();
  Lease greedy = lease();
  greedy.share = 1001;
  EXPECT_FALSE(sign(greedy, keys->private_key).ok());
  greedy = lease();
  greedy.tenant = std::string(257, 't');
  EXPECT_FALSE(sign(greedy, keys->private_key).ok());
}

}  // namespace
}  // namespace flexai::wire
