#include "wire/outbox.h"

#include <gtest/gtest.h>

namespace flexai::wire {
namespace {

Block block(size_t size) { return Block(size); }

uint64_t add(Outbox& outbox, size_t size = 8) {
  return outbox.add(FrameType::kData, 3, block(size));
}

TEST(Outbox, NumbersFromOneAndKeepsUntilAcknowledged) {
  Outbox outbox(10000);
  EXPECT_EQ(add(outbox), 1u);
  EXPECT_EQ(add(outbox), 2u);
  EXPECT_EQ(outbox.unwritten(0)->header.seq, 1u);
  EXPECT_EQ(outbox.unwritten(1)->header.seq, 2u);
  EXPECT_EQ(outbox.unwritten(2), nullptr);
  outbox.wrote(2);
  EXPECT_TRUE(outbox.all_written());
  EXPECT_EQ(outbox.held(), 2 * frame_cost(8));
  ASSERT_TRUE(outbox.acknowledge(1).ok());
  EXPECT_EQ(outbox.held(), frame_cost(8));
  ASSERT_TRUE(outbox.acknowledge(2).ok());
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.held(), 0u);
}

TEST(Outbox, IsFullAtTheWindowAndHasRoomAgainAfterAnAcknowledgement) {
  Outbox outbox(3 * frame_cost(100));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(outbox.has_room(100));
    add(outbox, 100);
  }
  EXPECT_FALSE(outbox.has_room(0));
  outbox.wrote(3);
  ASSERT_TRUE(outbox.acknowledge(1).ok());
  EXPECT_TRUE(outbox.has_room(100));
}

TEST(Outbox, AnAcknowledgementThatOvertakesTheWriterFreesNothingUnderIt) {
  Outbox outbox(10000);
  add(outbox);
  OutFrame* frame = outbox.unwritten(0);
  ASSERT_TRUE(outbox.acknowledge(1).ok());
  EXPECT_FALSE(outbox.empty());
  EXPECT_EQ(frame->header.seq, 1u);
  outbox.wrote(1);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, RefusesAcknowledgementsOfWhatWasNeverSent) {
  Outbox outbox(10000);
  EXPECT_FALSE(outbox.acknowledge(1).ok());
  add(outbox);
  EXPECT_FALSE(outbox.acknowledge(2).ok());
  EXPECT_FALSE(outbox.rewind(2).ok());
}

TEST(Outbox, AfterARewindEverythingThePeerLacksIsWrittenAgain) {
  Outbox outbox(10000);
  for (int i = 0; i < 5; ++i) add(outbox);
  outbox.wrote(4);
  ASSERT_TRUE(outbox.acknowledge(1).ok());
  ASSERT_TRUE(outbox.rewind(3).ok());
  EXPECT_EQ(outbox.unwritten(0)->header.seq, 4u);
  EXPECT_EQ(outbox.unwritten(1)->header.seq, 5u);
  EXPECT_EQ(add(outbox), 6u);
  EXPECT_EQ(outbox.held(), 3 * frame_cost(8));
}

TEST(Outbox, ARewindTakesFramesThatArrivedWithoutOurKnowingThatTheyWereWritten) {
  Outbox outbox(10000);
  add(outbox);
  add(outbox);
  ASSERT_TRUE(outbox.rewind(2).ok());
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, APeerCannotForgetWhatItAcknowledged) {
  Outbox outbox(10000);
  add(outbox);
  outbox.wrote(1);
  ASSERT_TRUE(outbox.acknowledge(1).ok());
  EXPECT_FALSE(outbox.rewind(0).ok());
}

}  // namespace
}  // namespace flexai::wire
