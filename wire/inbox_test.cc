#include "wire/inbox.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "wire/outbox.h"

namespace flexai::wire {
namespace {

TEST(Inbox, TakesNoMoreThanTheCreditGranted) {
  Inbox inbox(2 * frame_cost(100));
  EXPECT_TRUE(inbox.arrive(Block(100)).ok());
  EXPECT_TRUE(inbox.arrive(Block(100)).ok());
  EXPECT_FALSE(inbox.arrive(Block(size_t{0})).ok());
  inbox.take();
  EXPECT_FALSE(inbox.arrive(Block(100)).ok()) << "read, but not granted yet";
  EXPECT_EQ(inbox.grant(), 3 * frame_cost(100));
  EXPECT_TRUE(inbox.arrive(Block(100)).ok());
}

TEST(Inbox, CreditIsDueAfterAQuarterOfTheWindow) {
  Inbox inbox(8 * frame_cost(10));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(inbox.arrive(Block(10)).ok());
  inbox.take();
  EXPECT_FALSE(inbox.credit_is_due());
  inbox.take();
  EXPECT_TRUE(inbox.credit_is_due());
  inbox.grant();
  EXPECT_FALSE(inbox.credit_is_due());
}

TEST(Records, ReadBackInOrder) {
  std::vector<std::byte> frame(record_bytes(3) + record_bytes(0) + record_bytes(8));
  std::span<std::byte> place(frame);
  put_record(place.first(16), 7, bytes_of("a"), bytes_of("bc"));
  put_record(place.subspan(16, 8), 8, {}, {});
  put_record(place.subspan(24), 9, {}, bytes_of("12345678"));
  size_t at = 0;
  auto first = next_record(frame, at);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->tag, 7u);
  EXPECT_EQ(text_of(first->body), "abc");
  EXPECT_EQ(next_record(frame, at)->tag, 8u);
  EXPECT_EQ(text_of(next_record(frame, at)->body), "12345678");
  EXPECT_EQ(at, frame.size());
  EXPECT_FALSE(next_record(frame, at).ok());
}

TEST(Records, RandomBytesNeverReachOutside) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> frame(random() % 64);
    for (auto& byte : frame) byte = static_cast<std::byte>(random() % 3 != 0 ? 0 : random());
    size_t at = 0;
    while (at < frame.size()) {
      auto message = next_record(frame, at);
      if (!message.ok()) break;
      ASSERT_LE(at, frame.size());
      ASSERT_LE(message->body.size(), frame.size());
    }
  }
}

}  // namespace
}  // namespace flexai::wire
