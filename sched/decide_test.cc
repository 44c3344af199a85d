#include "sched/decide.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "sched/plan_text.h"

namespace flexai::sched {
namespace {

class Arbitrary {
 public:
  explicit Arbitrary(unsigned seed) : engine_(seed) {}
  int below(int bound) { return static_cast<int>(engine_() % static_cast<unsigned>(bound)); }

  Snapshot snapshot() {
    Snapshot s;
    s.now_ms = 1000;
    s.policy.remote_most_milli = 1000 * below(6);
    const int nodes = 2 + below(8);
    for (int i = 0; i < nodes; ++i) s.nodes.push_back(node(i));
    int64_t cards = 0;
    for (const model::Node& n : s.nodes) cards += n.cards * 1000;
    for (int i = 0; i < 3; ++i) {
      model::Queue q;
      q.name = "q" + std::to_string(i);
      q.guarantee = cards / 6;
      q.deserved = cards / 3;
      if (below(3) == 0) q.limit = q.deserved + below(4000);
      s.queues.push_back(q);
    }
    for (int i = 0; i < 30; ++i) s.workloads.push_back(work(i));
    return s;
  }

  model::Workload work(int i) {
    model::Workload w;
    w.name = "w" + std::to_string(i);
    w.queue = "q" + std::to_string(below(3));
    w.priority = below(4);
    w.members = below(4) == 0 ? static_cast<uint32_t>(2 + below(3)) : 1;
    w.together = below(3) == 0;
    w.apart = below(5) == 0;
    w.cards = static_cast<uint32_t>(below(8) == 0 ? 2 : 1);
    w.card_milli = w.cards > 1 ? 1000 : 100 * (1 + below(10));
    w.cpu_milli = 1000 * below(5);
    w.memory_mib = 100 * below(5);
    w.card_memory_mib = 10 * below(6);
    w.interruption = below(200);
    w.submitted_ms = below(1000);
    if (w.cards == 1 && below(3) == 0) w.card_milli_least = 100;
    if (below(3) == 0) w.locality = model::Locality::kPreferLocal;
    w.network_mbps = 100 * below(4);
    w.remote_penalty = 100 * below(8);
    w.can_share = below(4) == 0;
    w.can_suspend = below(4) == 0;
    w.can_move = below(2) == 0;
    w.can_restart = below(4) != 0;
    w.preemptible = below(4) != 0;
    if (below(4) == 0) w.models = {"A"};
    if (below(3) == 0) w.observed_milli = below(w.card_milli + 1);
    return w;
  }

 private:
  model::Node node(int i) {
    model::Node n;
    n.name = "n" + std::to_string(i);
    n.model = below(2) == 0 ? "A" : "B";
    n.cards = static_cast<uint32_t>(1 + below(4));
    n.card_memory_mib = 100;
    n.cpu_milli = 2000 * (1 + below(6));
    n.memory_mib = 2000;
    n.network_mbps = 500 * below(3);
    n.zone = "z" + std::to_string(below(2));
    return n;
  }

  std::mt19937 engine_;
};

void expect_gangs_whole(const Snapshot& s) {
  for (const model::Workload& w : s.workloads) {
    EXPECT_TRUE(w.places.empty() || w.places.size() == w.members) << w.name;
    std::set<std::string> nodes;
    for (const model::MemberPlace& place : w.places) nodes.insert(place.node);
    if (w.apart) {
      EXPECT_EQ(nodes.size(), w.places.size()) << w.name;
    }
  }
}

void expect_limits_hold(const Snapshot& s) {
  std::map<std::string, int64_t> used;
  for (const model::Workload& w : s.workloads) {
    const int64_t milli = w.cards == 1 && w.granted_milli >= 0 ? w.granted_milli : w.card_milli;
    used[w.queue] += milli * w.cards * static_cast<int64_t>(w.places.size());
  }
  for (const model::Queue& q : s.queues)
    if (q.limit >= 0) {
      EXPECT_LE(used[q.name], q.limit) << q.name;
    }
}

// validate() refuses whatever overbooks a card, a processor, memory or the network.
TEST(Decide, WhatItLeavesIsSoundWhateverCame) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    Arbitrary random(seed);
    Snapshot s = random.snapshot();
    ASSERT_TRUE(validate(s).ok()) << validate(s).error().message;
    for (int round = 0; round < 6; ++round) {
      const auto plan = decide(s);
      ASSERT_TRUE(plan.ok()) << plan.error().message;
      s = after(s, *plan);
      const base::Status sound = validate(s);
      ASSERT_TRUE(sound.ok()) << "seed " << seed << " round " << round << ": "
                              << sound.error().message;
      expect_gangs_whole(s);
      expect_limits_hold(s);
      if (round == 3)  // new work of high priority arrives
        for (int i = 0; i < 5; ++i) {
          s.workloads.push_back(random.work(100 + i));
          s.workloads.back().priority = 9;
        }
      if (HasFailure()) FAIL() << "seed " << seed << " round " << round;
    }
  }
}

TEST(Decide, IsTheSameEveryTime) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const Snapshot s = Arbitrary(seed).snapshot();
    EXPECT_EQ(*decide(s), *decide(s)) << "seed " << seed;
  }
}

// Every pending workload is placed or has a verdict, never both, never twice.
TEST(Decide, NobodyIsLostOrPlacedTwice) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    const Snapshot s = Arbitrary(seed).snapshot();
    const auto plan = decide(s);
    ASSERT_TRUE(plan.ok());
    std::multiset<uint32_t> seen;
    for (const Action& a : plan->actions)
      if (a.act == Act::kPlace) seen.insert(a.workload);
    for (const Verdict& v : plan->pending) {
      seen.insert(v.workload);
      EXPECT_NE(v.reason, Reason::kNone);
      EXPECT_FALSE(v.line.empty());
    }
    EXPECT_EQ(seen.size(), s.workloads.size()) << "seed " << seed;
    EXPECT_EQ(std::set<uint32_t>(seen.begin(), seen.end()).size(), s.workloads.size());
  }
}

// Without arrivals and departures the plans run dry: nothing is stopped, moved or resized for ever.
TEST(Decide, ComesToRest) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    Snapshot s = Arbitrary(seed).snapshot();
    for (model::Workload& w : s.workloads) w.observed_milli = -1;
    size_t actions = 1;
    for (int round = 0; round < 40 && actions > 0; ++round) {
      const auto plan = decide(s);
      ASSERT_TRUE(plan.ok());
      actions = plan->actions.size();
      s = after(s, *plan);
    }
    EXPECT_EQ(actions, 0u) << "seed " << seed << ": " << lines_of(*decide(s), s).front();
  }
}

// A gang that needs both cards, and a stream of small work that always fits: the gang starts before
// long, because it can be passed only so often.
TEST(Decide, NothingStarves) {
  Snapshot s;
  model::Node n;
  n.name = "n";
  n.model = "A";
  n.cards = 2;
  n.cpu_milli = 64000;
  s.nodes.push_back(n);
  s.policy.backfill_most = 5;
  model::Workload big;
  big.name = "big";
  big.cards = 2;
  big.card_milli = 1000;
  bool started = false;
  for (int step = 0; step < 40 && !started; ++step) {
    s.now_ms = step;
    model::Workload small;
    small.name = "small" + std::to_string(step);
    small.cards = 1;
    small.card_milli = 1000;
    small.submitted_ms = step;
    s.workloads.push_back(small);
    if (step == 1) s.workloads.push_back(big);
    const auto plan = decide(s);
    ASSERT_TRUE(plan.ok());
    s = after(s, *plan);
    for (const model::Workload& w : s.workloads)
      started = started || (w.name == "big" && !w.places.empty());
    // Each small one runs for two steps.
    std::erase_if(s.workloads, [&](const model::Workload& w) {
      return w.name != "big" && !w.places.empty() && w.started_ms + 1 < step;
    });
  }
  EXPECT_TRUE(started);
}

}  // namespace
}  // namespace flexai::sched
