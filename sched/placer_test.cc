#include "sched/placer.h"

#include <gtest/gtest.h>

#include <random>

namespace flexai::sched {
namespace {

struct World {
  Cluster cluster;
  ShapeTable shapes;
  std::vector<std::pair<ShapeId, Placement>> running;
};

Shape arbitrary_shape(std::mt19937* random) {
  auto below = [&](int bound) {
    return static_cast<int>((*random)() % static_cast<unsigned>(bound));
  };
  Shape s;
  s.cpu_milli = 1000 * below(8);
  s.memory_mib = 100 * below(8);
  s.cards = static_cast<uint8_t>(below(4));
  s.milli = static_cast<int16_t>(s.cards == 0 ? 0 : s.cards > 1 ? 1000 : 50 * (1 + below(20)));
  if (s.cards > 0) s.card_memory_mib = 10 * below(4);
  if (below(4) == 0) s.models = 1u << below(3);
  if (below(6) == 0) s.labels = 1;
  if (s.cards > 0 && below(2) == 0) {
    s.reach = Reach::kPreferLocal;
    s.network_mbps = 100 * below(4);
    s.remote_penalty = 100 * below(8);
  }
  return s;
}

void fill(World* world, std::mt19937* random, int nodes) {
  for (int i = 0; i < nodes; ++i) {
    NodeSpec spec;
    spec.cpu_milli = 32000;
    spec.memory_mib = 4000;
    spec.card_memory_mib = 80;
    spec.network_mbps = 1000;
    spec.cards = static_cast<uint8_t>((*random)() % 9);
    spec.model = static_cast<uint8_t>((*random)() % 3);
    spec.labels = (*random)() % 2;
    world->cluster.add(spec);
  }
}

// Tables and logs give what asking every node anew gives, and what is placed fits.
TEST(Placer, EqualsBruteForceWhileWorkComesAndGoes) {
  int remote = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    World w;
    fill(&w, &random, 40);
    Policy policy;
    policy.remote_most_milli = w.cluster.card_milli() / 5;
    Placer placer(&w.cluster, &w.shapes, policy, 3);
    for (int step = 0; step < 400; ++step) {
      const ShapeId id = w.shapes.intern(arbitrary_shape(&random));
      placer.learn(id);
      const Choice choice = placer.place(id), brute = placer.brute_force(id);
      ASSERT_EQ(choice.at, brute.at) << "seed " << seed << " step " << step;
      ASSERT_EQ(choice.cost_quanta, brute.cost_quanta);
      if (choice.found()) {
        ASSERT_TRUE(w.cluster.fits(w.shapes[id], choice.at)) << "seed " << seed << " step " << step;
        w.cluster.take(w.shapes[id], choice.at);
        w.running.emplace_back(id, choice.at);
        remote += choice.at.remote();
      }
      if (w.running.size() > 60) {
        std::swap(w.running[random() % w.running.size()], w.running.back());
        w.cluster.give(w.shapes[w.running.back().first], w.running.back().second);
        w.running.pop_back();
      }
    }
  }
  EXPECT_GT(remote, 0);
}

TEST(Placer, RemoteOnlyWhenItIsCheaper) {
  World w;
  NodeSpec spec;
  spec.cpu_milli = 4000;
  spec.cards = 1;
  spec.network_mbps = 1000;
  w.cluster.add(spec);
  w.cluster.add(spec);
  Shape s;
  s.cpu_milli = 4000;
  s.cards = 1;
  s.milli = 500;
  s.reach = Reach::kPreferLocal;
  s.remote_penalty = 600;
  const ShapeId id = w.shapes.intern(s);
  Policy policy;
  policy.remote_most_milli = 2000;
  Placer placer(&w.cluster, &w.shapes, policy, 1);
  EXPECT_EQ(placer.place(id).at, (Placement{0, 0, 1}));
  // Node 0 has cards but no processor any more, node 1 a processor but no card.
  Shape cpu;
  cpu.cpu_milli = 4000;
  w.cluster.take(cpu, {0, 0, 0});
  Shape card;
  card.cards = 1;
  card.milli = 1000;
  w.cluster.take(card, {1, 1, 1});
  EXPECT_EQ(placer.place(id).at, (Placement{1, 0, 1}));
  Policy local = policy;
  local.remote_most_milli = 0;
  Placer strict(&w.cluster, &w.shapes, local, 1);
  EXPECT_FALSE(strict.place(id).found());
}

}  // namespace
}  // namespace flexai::sched
