#include "sched/guarantees.h"

#include <gtest/gtest.h>

#include "sched/planner.h"

namespace flexai::sched {
namespace {

model::Queue queue(const std::string& name, const std::string& parent, int64_t guarantee) {
  model::Queue q;
  q.name = name;
  q.parent = parent;
  q.guarantee = guarantee;
  q.deserved = guarantee;
  return q;
}

Snapshot cluster(uint32_t cards) {
  Snapshot s;
  s.nodes.emplace_back();
  s.nodes[0].name = "n";
  s.nodes[0].model = "m";
  s.nodes[0].cards = cards;
  s.nodes[0].card_memory_mib = cards > 0 ? 1024 : 0;
  s.rates.push_back({"m", "", 2000, 0});
  s.queues = {queue("a", "", 6000), queue("a1", "a", 4000), queue("a2", "a", 2000),
              queue("b", "", 2000)};
  return s;
}

std::vector<int64_t> kept(uint32_t cards) {
  Snapshot s = cluster(cards);
  keep_what_can_be_kept(whole_ncu(s), &s.queues);
  std::vector<int64_t> all;
  for (const model::Queue& q : s.queues) all.push_back(q.guarantee);
  return all;
}

using Amounts = std::vector<int64_t>;

TEST(Guarantees, AreCutInProportionWhenTheClusterHasShrunk) {
  EXPECT_EQ(kept(4), (Amounts{6000, 4000, 2000, 2000}));
  EXPECT_EQ(kept(2), (Amounts{3000, 2000, 1000, 1000}));
  EXPECT_EQ(kept(1), (Amounts{1500, 1000, 500, 500}));
  EXPECT_EQ(kept(0), (Amounts{0, 0, 0, 0}));
}

TEST(Guarantees, CutOnesCanBePlannedFor) {
  for (uint32_t cards = 0; cards < 5; ++cards) {
    Snapshot s = cluster(cards);
    EXPECT_EQ(Planner::open(s).ok(), cards == 4) << cards;
    keep_what_can_be_kept(whole_ncu(s), &s.queues);
    const auto planner = Planner::open(s);
    EXPECT_TRUE(planner.ok()) << cards << ": " << planner.error().message;
  }
}

TEST(Guarantees, HugeOnesAreCutWithoutOverflow) {
  std::vector<model::Queue> queues{queue("a", "", int64_t{1} << 50),
                                   queue("b", "", int64_t{1} << 50)};
  keep_what_can_be_kept(int64_t{1} << 50, &queues);
  EXPECT_EQ(queues[0].guarantee, int64_t{1} << 49);
}

// Hostile names: a circle, a parent that is not there.
TEST(Guarantees, EndOnQueuesThatMakeNoSense) {
  std::vector<model::Queue> queues{queue("a", "b", 5), queue("b", "a", 5), queue("c", "c", 5),
                                   queue("d", "nobody", 5)};
  keep_what_can_be_kept(1, &queues);
  EXPECT_EQ(queues[0].guarantee, 5);
}

}  // namespace
}  // namespace flexai::sched
