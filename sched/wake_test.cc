#include "sched/wake.h"

#include <gtest/gtest.h>

#include <random>

#include "sched/placer.h"

namespace flexai::sched {
namespace {

NodeSpec spec_of(std::mt19937* random) {
  NodeSpec spec;
  spec.cpu_milli = 16000 + 16000 * static_cast<int>((*random)() % 2);
  spec.memory_mib = 40000;
  spec.network_mbps = 1000;
  spec.cards = static_cast<uint8_t>((*random)() % 9);
  spec.card_memory_mib = 1000;
  spec.labels = (*random)() % 2;
  spec.model = static_cast<uint8_t>((*random)() % 3);
  return spec;
}

// Needs much of one thing and so waits most of the time; some of them for ever.
Shape demanding(std::mt19937* random) {
  Shape s;
  s.cards = static_cast<uint8_t>((*random)() % 9);
  s.milli = static_cast<int16_t>(s.cards == 0 ? 0 : s.cards > 1 ? 1000 : 500 + (*random)() % 501);
  s.cpu_milli = static_cast<int>((*random)() % 33) * 1000;
  s.memory_mib = static_cast<int>((*random)() % 5) * 10000;
  if (s.cards > 0 && (*random)() % 4 == 0)
    s.card_memory_mib = 400 * static_cast<int>((*random)() % 4);
  if ((*random)() % 6 == 0) s.labels = (*random)() % 3;
  if ((*random)() % 2 == 0) s.models = 1 + (*random)() % 7;
  if (s.cards > 0 && (*random)() % 3 == 0) {
    s.reach = Reach::kPreferLocal;
    s.network_mbps = 50;
  }
  return s;
}

Shape small(std::mt19937* random) {
  Shape s;
  s.cards = 1;
  s.milli = static_cast<int16_t>(50 * (1 + (*random)() % 20));
  s.cpu_milli = 1000 * static_cast<int>((*random)() % 8);
  s.memory_mib = 1000;
  return s;
}

// Waiting demands asked for now and then, with much or little having changed meanwhile (the log is
// cut several times), find a place exactly when asking every node finds one.
TEST(Wake, WhoWaitsIsNeverLeftAsleep) {
  size_t woken = 0, waited = 0;
  for (unsigned seed = 0; seed < 6; ++seed) {
    std::mt19937 random(seed);
    Cluster cluster;
    ShapeTable shapes;
    for (int i = 0; i < 60; ++i) cluster.add(spec_of(&random));
    Policy policy;
    policy.remote_most_milli = cluster.card_milli() / 10;
    Placer placer(&cluster, &shapes, policy, 3);
    std::vector<ShapeId> waiting;
    for (int i = 0; i < 50; ++i) waiting.push_back(shapes.intern(demanding(&random)));
    std::vector<bool> had(shapes.size());
    std::vector<std::pair<ShapeId, Placement>> running;
    for (int step = 0; step < 4000; ++step) {
      if (random() % 100 < 52 || running.empty()) {
        const ShapeId id = shapes.intern(small(&random));
        placer.learn(id);
        const Choice c = placer.place(id);
        if (!c.found()) continue;
        cluster.take(shapes[id], c.at);
        running.emplace_back(id, c.at);
      } else {
        std::swap(running[random() % running.size()], running.back());
        cluster.give(shapes[running.back().first], running.back().second);
        running.pop_back();
      }
      if (random() % 50 == 0)
        cluster.set_open(static_cast<NodeId>(random() % 60), random() % 3 != 0);
      if (random() % 8 != 0) continue;
      const ShapeId id = waiting[random() % waiting.size()];
      const Choice c = placer.place(id);
      ASSERT_EQ(c.at, placer.brute_force(id).at) << "seed " << seed << " step " << step;
      woken += c.found() && !had[id];
      waited += !c.found();
      had[id] = c.found();
    }
  }
  EXPECT_GT(woken, 50u);
  EXPECT_GT(waited, 500u);
}

TEST(Wake, SleepsWhenWhatChangedIsTooSmall) {
  Cluster cluster;
  NodeSpec spec;
  spec.cpu_milli = 8000;
  spec.memory_mib = 8000;
  spec.cards = 4;
  for (int i = 0; i < 300; ++i) cluster.add(spec);
  Shape half;
  half.cards = 1;
  half.milli = 600;
  half.cpu_milli = 1000;
  for (NodeId n = 0; n < cluster.size(); ++n)
    for (uint32_t card = 0; card < 4; ++card) cluster.take(half, {n, n, 1u << card});
  Shape wanted = half;
  Wake wake;
  std::vector<NodeId> found;
  const uint64_t full = cluster.changes();
  EXPECT_EQ(wake.collect(cluster, full - 300, need_of(wanted), kAnyModel, &found), 0u);
  cluster.give(half, {7, 7, 1});
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), kAnyModel, &found), 1u);
  wanted.cpu_milli = 6000;  // 5 are free there
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), kAnyModel, &found), 0u);
  wanted.cpu_milli = 5000;
  wanted.cards = 2;
  wanted.milli = 1000;
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), kAnyModel, &found), 0u);
  cluster.give(half, {7, 7, 2});
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), kAnyModel, &found), 1u);
  EXPECT_EQ(wake.collect(cluster, cluster.changes(), need_of(wanted), kAnyModel, &found), 0u);
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), 3, &found), 1u);
  for (NodeId n = 8; n < 300; ++n) {  // until the piece of the log is over
    cluster.set_open(n, false);
    cluster.set_open(n, true);
  }
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), 1, &found), 1u);
  EXPECT_EQ(wake.collect(cluster, full, need_of(wanted), 2, &found), 0u);  // all are of model 0
}

}  // namespace
}  // namespace flexai::sched
