#include "sched/room_key.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace flexai::sched {
namespace {

constexpr int32_t kHuge = std::numeric_limits<int32_t>::max();

// Small numbers about as often as those beyond what a field holds.
int32_t arbitrary(std::mt19937* random) {
  const auto value = static_cast<uint32_t>((*random)());
  return static_cast<int32_t>(value >> value % 31 & uint32_t{kHuge});
}

// Whoever really has room is never passed over.
TEST(RoomKey, NeverDeniesRoomThatIsThere) {
  std::mt19937 random(1);
  int roomy = 0;
  for (int i = 0; i < 200000; ++i) {
    Shape s;
    s.cards = static_cast<uint8_t>(random() % 4);
    s.milli = static_cast<int16_t>(s.cards > 1 ? 1000 : s.cards == 0 ? 0 : random() % 1001);
    s.cpu_milli = arbitrary(&random);
    s.memory_mib = arbitrary(&random);
    s.node_network_mbps = arbitrary(&random);
    const auto most = static_cast<int32_t>(random() % 1001);
    const auto whole = static_cast<int32_t>(random() % 17);
    const int32_t cpu = arbitrary(&random), memory = arbitrary(&random);
    const int32_t network = arbitrary(&random);
    const bool room = cpu >= s.cpu_milli && memory >= s.memory_mib &&
                      network >= s.node_network_mbps &&
                      (s.cards > 1 ? whole >= s.cards : most >= s.milli);
    if (!room) continue;
    ++roomy;
    EXPECT_TRUE(may_have_room(room_key::pack(most, whole, cpu, memory, network, true), need_of(s)))
        << "case " << i;
  }
  EXPECT_GT(roomy, 1000);
}

TEST(RoomKey, DeniesWhatIsShortOfAnything) {
  Shape s;
  s.cards = 1;
  s.milli = 500;
  s.cpu_milli = 4000;
  s.memory_mib = 4096;
  s.node_network_mbps = 1024;
  const RoomKey need = need_of(s);
  EXPECT_TRUE(may_have_room(room_key::pack(500, 0, 4000, 4096, 1024, true), need));
  EXPECT_FALSE(may_have_room(room_key::pack(499, 9, kHuge, kHuge, kHuge, true), need));
  EXPECT_FALSE(may_have_room(room_key::pack(1000, 9, 3900, kHuge, kHuge, true), need));
  EXPECT_FALSE(may_have_room(room_key::pack(1000, 9, kHuge, 3900, kHuge, true), need));
  EXPECT_FALSE(may_have_room(room_key::pack(1000, 9, kHuge, kHuge, 800, true), need));
  EXPECT_FALSE(may_have_room(room_key::pack(1000, 9, kHuge, kHuge, kHuge, false), need));
  s.cards = 4;
  s.milli = 1000;
  EXPECT_FALSE(may_have_room(room_key::pack(1000, 3, kHuge, kHuge, kHuge, true), need_of(s)));
}

TEST(RoomKey, WhatIsNotAskedForIsNotLookedAt) {
  Shape s;
  s.cpu_milli = s.memory_mib = s.node_network_mbps = std::numeric_limits<int32_t>::min();
  EXPECT_TRUE(may_have_room(room_key::pack(0, 0, -5, 0, 0, true), need_of(s)));
}

}  // namespace
}  // namespace flexai::sched
