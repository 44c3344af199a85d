#include "sched/fragment.h"

#include <gtest/gtest.h>

#include <random>

namespace flexai::sched {
namespace {

// The definition, demand by demand.
double by_definition(const std::vector<TypicalDemand>& mix, const NodeState& node) {
  double total = 0, sum = 0;
  for (const TypicalDemand& d : mix) total += d.weight;
  for (const TypicalDemand& d : mix) {
    const Shape& s = d.shape;
    int fitting = 0, small = 0;
    for (int i = 0; i < node.cards; ++i) {
      fitting += node.free[i] >= s.milli;
      if (node.free[i] < s.milli) small += node.free[i];
    }
    const bool hosts = s.cards > 0 && (s.models >> node.model & 1) != 0 &&
                       node.cpu_free >= s.cpu_milli && fitting >= s.cards;
    sum += d.weight / total * (hosts ? small : node.idle);
  }
  return sum;
}

class Arbitrary {
 public:
  explicit Arbitrary(unsigned seed) : engine_(seed) {}
  int below(int bound) { return static_cast<int>(engine_() % static_cast<unsigned>(bound)); }

  Shape shape() {
    Shape s;
    s.cpu_milli = 1000 * below(16);
    s.cards = static_cast<uint8_t>(below(4));
    s.milli = static_cast<int16_t>(s.cards == 0 ? 0 : s.cards > 1 ? 1000 : 10 * (1 + below(100)));
    if (below(3) == 0) s.models = 1u << below(2);
    return s;
  }
  Cluster cluster() {
    Cluster c;
    NodeSpec spec;
    spec.cpu_milli = 1000 * (1 + below(64));
    spec.memory_mib = 1 << 20;
    spec.cards = static_cast<uint8_t>(1 + below(8));
    spec.model = static_cast<uint8_t>(below(2));
    c.add(spec);
    for (int i = 0; i < 6; ++i) {
      Shape s = shape();
      s.cards = 1;
      s.milli = static_cast<int16_t>(10 * below(101));
      Placement at{0, 0, 1u << below(spec.cards)};
      if (c.fits(s, at)) c.take(s, at);
    }
    return c;
  }

 private:
  std::mt19937 engine_;
};

std::vector<TypicalDemand> arbitrary_mix(Arbitrary* random) {
  std::vector<TypicalDemand> mix;
  for (int i = 0; i < 12; ++i) mix.push_back({random->shape(), 1.0 + random->below(20)});
  return mix;
}

TEST(Fragment, IsTheDefinitionOnRandomNodes) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    Arbitrary random(seed);
    const auto mix = arbitrary_mix(&random);
    Fragment fragment;
    fragment.build(mix, 2);
    const Cluster cluster = random.cluster();
    EXPECT_NEAR(static_cast<double>(fragment.of(cluster[0])) / Fragment::kOne,
                by_definition(mix, cluster[0]), 0.001 * cluster[0].idle + 0.01)
        << "seed " << seed;
  }
}

TEST(Fragment, BestIsTheChangeOfTakingTheCard) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    Arbitrary random(seed);
    Fragment fragment;
    fragment.build(arbitrary_mix(&random), 2);
    Cluster cluster = random.cluster();
    const Shape s = random.shape();
    const NodeState& node = cluster[0];
    if (s.cards != 1 || node.most < s.milli || node.cpu_free < s.cpu_milli) continue;
    const Fragment::Choice choice = fragment.best(s, node, cluster.card_memory_free(0));
    ASSERT_GE(choice.card, 0);
    const int64_t before = fragment.of(node);
    EXPECT_EQ(choice.change, fragment.change_on(s, node, choice.card));
    for (int i = 0; i < node.cards; ++i)
      if (node.free[i] >= s.milli) {
        EXPECT_LE(choice.change, fragment.change_on(s, node, i));
      }
    cluster.take(s, {0, 0, 1u << choice.card});
    EXPECT_EQ(choice.change, fragment.of(cluster[0]) - before) << "seed " << seed;
  }
}

TEST(Fragment, LackOfProcessorStrandsOnlyDemandThatMustBeLocal) {
  Shape shape;
  shape.cpu_milli = 4000;
  shape.cards = 1;
  shape.milli = 1000;
  Cluster cluster;
  NodeSpec spec;
  spec.cpu_milli = 1000;
  spec.cards = 2;
  cluster.add(spec);
  Fragment local, remote;
  local.build({{shape, 1}}, 1, 0);
  EXPECT_EQ(local.of(cluster[0]), 2000 * Fragment::kOne);
  shape.reach = Reach::kPreferLocal;
  remote.build({{shape, 1}}, 1, 0);
  EXPECT_EQ(remote.of(cluster[0]), 0);
  remote.build({{shape, 1}}, 1, 500);
  EXPECT_EQ(remote.of(cluster[0]), 1000 * Fragment::kOne);
}

}  // namespace
}  // namespace flexai::sched
