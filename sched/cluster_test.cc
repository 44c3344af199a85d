#include "sched/cluster.h"

#include <gtest/gtest.h>

#include "sched/residents.h"

namespace flexai::sched {
namespace {

NodeSpec node(int cards) {
  NodeSpec spec;
  spec.cpu_milli = 8000;
  spec.memory_mib = 1000;
  spec.card_memory_mib = 100;
  spec.network_mbps = 1000;
  spec.cards = static_cast<uint8_t>(cards);
  return spec;
}

Shape slice(int milli) {
  Shape s;
  s.cpu_milli = 1000;
  s.memory_mib = 10;
  s.card_memory_mib = 30;
  s.network_mbps = 400;
  s.cards = 1;
  s.milli = static_cast<int16_t>(milli);
  return s;
}

TEST(Cluster, GiveUndoesTakeExactly) {
  Cluster cluster;
  cluster.add(node(2));
  cluster.add(node(4));
  const NodeState before = cluster[1];
  const Placement at{0, 1, 0b100};
  cluster.take(slice(300), at);
  EXPECT_EQ(cluster[1].free[2], 700);
  EXPECT_EQ(cluster[1].whole, 3);
  EXPECT_EQ(cluster[0].cpu_free, 7000);
  EXPECT_EQ(cluster[0].network_free, 600);
  EXPECT_EQ(cluster.idle_milli(), 5700);
  cluster.give(slice(300), at);
  EXPECT_EQ(cluster[1].free[2], 1000);
  EXPECT_EQ(cluster[1].whole, before.whole);
  EXPECT_EQ(cluster[1].most, before.most);
  EXPECT_EQ(cluster[1].network_free, before.network_free);
  EXPECT_EQ(cluster.card_memory_free(1)[2], 100);
  EXPECT_EQ(cluster.idle_milli(), 6000);
}

TEST(Cluster, FitsLooksAtEveryDimension) {
  Cluster cluster;
  cluster.add(node(2));
  cluster.add(node(2));
  const Placement local{0, 0, 1}, remote{0, 1, 1};
  EXPECT_TRUE(cluster.fits(slice(1000), local));
  EXPECT_TRUE(cluster.fits(slice(1000), remote));
  EXPECT_FALSE(cluster.fits(slice(1000), {0, 0, 0b100})) << "no such card";
  EXPECT_FALSE(cluster.fits(slice(1000), {0, 0, 0b11})) << "two cards for one";
  EXPECT_FALSE(cluster.fits(slice(1000), {7, 0, 1})) << "no such node";
  Shape s = slice(1000);
  s.card_memory_mib = 101;
  EXPECT_FALSE(cluster.fits(s, local));
  s = slice(1000);
  s.network_mbps = 1001;
  EXPECT_TRUE(cluster.fits(s, local));
  EXPECT_FALSE(cluster.fits(s, remote));
  s = slice(1000);
  s.memory_mib = 1001;
  EXPECT_FALSE(cluster.fits(s, local));
}

TEST(Cluster, OnlyTheLastChangeOfANodeCounts) {
  Cluster cluster;
  cluster.add(node(1));
  cluster.add(node(1));
  const uint64_t start = cluster.changes();
  cluster.take(slice(100), {0, 0, 1});
  cluster.take(slice(100), {1, 1, 1});
  cluster.take(slice(100), {0, 0, 1});
  ASSERT_EQ(cluster.changes(), start + 3);
  EXPECT_EQ(cluster.changed(start), kNone);
  EXPECT_NE(cluster.changed(start + 1), kNone);
  EXPECT_NE(cluster.changed(start + 2), kNone);
}

TEST(Cluster, TheLogIsCutAndSaysSo) {
  Cluster cluster;
  cluster.add(node(1));
  for (int i = 0; i < 5000; ++i) {
    cluster.take(slice(100), {0, 0, 1});
    cluster.give(slice(100), {0, 0, 1});
  }
  EXPECT_EQ(cluster.changes(), 10001u);
  EXPECT_GT(cluster.log_start(), 0u);
  EXPECT_NE(cluster.changed(10000), kNone);
}

// The order does not say what happened before.
TEST(Residents, OfANodeAreInTheOrderOfOwnersAndMembers) {
  Residents all;
  const Placement here{0, 0, 1}, there{1, 1, 1};
  const ResidentId late = all.add(0, here, 7, 0), second = all.add(0, here, 3, 1);
  const ResidentId moved = all.add(0, there, 5, 0), first = all.add(0, here, 3, 0);
  all.move(moved, here);
  EXPECT_EQ(all.on(0), (std::vector<ResidentId>{first, second, moved, late}));
  all.renumber(late, 1, 0);
  EXPECT_EQ(all.on(0), (std::vector<ResidentId>{late, first, second, moved}));
  all.remove(second);
  EXPECT_EQ(all.on(0), (std::vector<ResidentId>{late, first, moved}));
  EXPECT_TRUE(all.on(1).empty());
}

}  // namespace
}  // namespace flexai::sched
