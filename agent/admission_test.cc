#include "agent/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flexai::agent {
namespace {

using base::Code;
using model::Device;
using model::Qos;
using model::Slice;
using testing::HasSubstr;

constexpr uint64_t kGiB = 1ull << 30;

Device card(const std::string& id, uint64_t memory = 8 * kGiB) {
  Device device;
  device.id = device.key = id;
  device.memory_bytes = memory;
  return device;
}

Slice slice(const std::string& name, uint32_t milli, uint64_t memory = kGiB,
            const std::string& on = "a-0") {
  Slice s;
  s.name = name;
  s.card = on;
  s.compute_milli = milli;
  s.memory_bytes = memory;
  return s;
}

TEST(Admission, FillsACardToTheLastThousandthAndNoFurther) {
  std::vector<Slice> present = {slice("x", 300), slice("y", 600)};
  EXPECT_TRUE(admit(card("a-0"), present, slice("z", 100)).ok());
  auto refused = admit(card("a-0"), present, slice("z", 101));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("10% compute left"));
}

TEST(Admission, BesteffortOverbooksComputeButNotMemory) {
  std::vector<Slice> present = {slice("x", 1000, 7 * kGiB)};
  Slice extra = slice("y", 0);
  extra.qos = Qos::kBestEffort;
  EXPECT_TRUE(admit(card("a-0"), present, extra).ok());
  extra.memory_bytes = 2 * kGiB;
  EXPECT_EQ(admit(card("a-0"), present, extra).error().code, Code::kExhausted);
}

TEST(Admission, AGuaranteeWrittenOnABesteffortSliceIsNotCounted) {
  Slice loose = slice("x", 900);
  loose.qos = Qos::kBestEffort;
  EXPECT_TRUE(admit(card("a-0"), {loose}, slice("y", 1000)).ok());
}

TEST(Admission, ChangingASliceDoesNotCountItTwice) {
  std::vector<Slice> present = {slice("x", 600), slice("y", 300)};
  EXPECT_TRUE(admit(card("a-0"), present, slice("x", 700)).ok());
  EXPECT_FALSE(admit(card("a-0"), present, slice("x", 701)).ok());
}

TEST(Admission, SlicesOfOtherCardsDoNotCount) {
  EXPECT_TRUE(admit(card("a-0"), {slice("x", 1000, 8 * kGiB, "b-0")}, slice("y", 1000)).ok());
}

TEST(Admission, MoreMemoryThanTheCardHasIsAWrongRequestNotMissingRoom) {
  EXPECT_EQ(admit(card("a-0"), {}, slice("x", 1, 9 * kGiB)).error().code, Code::kInvalid);
}

TEST(Admission, ABrokenCardIsRefusedWithItsReason) {
  Device broken = card("a-0");
  broken.healthy = false;
  broken.health = "killed by signal 11";
  auto refused = admit(broken, {}, slice("x", 1));
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("signal 11"));
}

TEST(ChooseCard, TakesTheFullestCardThatStillFits) {
  std::vector<Device> cards = {card("a-0"), card("a-1"), card("a-2")};
  std::vector<Slice> present = {slice("x", 500, kGiB, "a-1"), slice("y", 900, kGiB, "a-2")};
  Slice wanted = slice("z", 300, kGiB, "");
  EXPECT_EQ(*choose_card(cards, present, wanted), "a-1");
}

TEST(ChooseCard, SaysNoRoomRatherThanNamingABrokenCard) {
  Device broken = card("a-1");
  broken.healthy = false;
  auto none = choose_card({card("a-0"), broken}, {slice("x", 900)}, slice("y", 200, kGiB, ""));
  EXPECT_EQ(none.error().code, Code::kExhausted);
}

TEST(ChooseCard, WithoutAnyCardTellsWhatToDo) {
  EXPECT_EQ(choose_card({}, {}, slice("x", 10)).error().code, Code::kNotFound);
}

TEST(DefaultMemory, FollowsTheGuarantee) {
  EXPECT_EQ(*default_memory(card("a-0", 8000), slice("x", 250)), 2000u);
  EXPECT_EQ(default_memory(card("a-0"), slice("x", 0)).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace flexai::agent
