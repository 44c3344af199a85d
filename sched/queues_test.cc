// What queues are promised, over random clusters and over time.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "sched/decide.h"
#include "sched/plan_text.h"

namespace flexai::sched {
namespace {

using model::Workload;

std::map<std::string, int64_t> used_by_queue(const Snapshot& s) {
  std::map<std::string, int64_t> used;
  for (const Workload& w : s.workloads) {
    const int64_t milli = w.cards == 1 && w.granted_milli >= 0 ? w.granted_milli : w.card_milli;
    used[w.queue] += milli * w.cards * static_cast<int64_t>(w.places.size());
  }
  return used;
}

class Town {
 public:
  explicit Town(unsigned seed, int nodes, int queues) : engine_(seed) {
    int64_t cards = 0;
    for (int i = 0; i < nodes; ++i) {
      model::Node n;
      n.name = "n" + std::to_string(i);
      n.model = "A";
      n.cards = static_cast<uint32_t>(2 + below(7));
      n.cpu_milli = 1'000'000;
      n.memory_mib = 1'000'000;
      cards += n.cards;
      s.nodes.push_back(n);
    }
    s.policy.least_run_ms = 600'000;
    s.now_ms = 1000;
    for (int i = 0; i < queues; ++i) {
      model::Queue q;
      q.name = "q" + std::to_string(i);
      q.deserved = cards / queues * 1000;
      q.guarantee = q.deserved / 2000 * 1000;
      s.queues.push_back(q);
    }
  }
  int below(int bound) { return static_cast<int>(engine_() % static_cast<unsigned>(bound)); }

  Workload work(int queue, uint32_t cards) {
    Workload w;
    w.name = "w" + std::to_string(number_++);
    w.queue = "q" + std::to_string(queue);
    w.cards = cards;
    w.card_milli = 1000;
    w.submitted_ms = s.now_ms;
    w.can_suspend = below(2) == 0;
    w.interruption = 50 + below(100);
    return w;
  }
  void step() {
    const auto plan = decide(s);
    ASSERT_TRUE(plan.ok()) << plan.error().message;
    s = after(s, *plan);
  }

  Snapshot s;

 private:
  std::mt19937 engine_;
  int number_ = 0;
};

// Whatever the others have and since when: who asks for cards within his guarantee has them with
// the next plan. The others are full of work that has only just started, and nobody has much more
// than he deserves.
TEST(Fairness, AGuaranteeIsKeptAtOnce) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Town town(seed, 6, 4);
    for (int i = 0; i < 60; ++i) town.s.workloads.push_back(town.work(1 + town.below(3), 1));
    town.step();
    for (int i = 0; i < 8; ++i) town.s.workloads.push_back(town.work(0, 1));
    town.s.now_ms += 1000;
    town.step();
    const int64_t used = used_by_queue(town.s)["q0"];
    const int64_t wanted = std::min<int64_t>(town.s.queues[0].guarantee, 8000);
    EXPECT_GE(used, wanted) << "seed " << seed;
    if (HasFailure()) return;
  }
}

// Work of several cards needs several victims: together they never bring a queue below what it must
// keep, and with the guarantee at stake never below its own guarantee.
TEST(Fairness, VictimsTogetherLeaveAQueueItsGuarantee) {
  size_t stopped = 0;
  for (unsigned seed = 0; seed < 120; ++seed) {
    Town town(seed, 5, 5);
    for (int i = 0; i < 40; ++i) town.s.workloads.push_back(town.work(1 + town.below(4), 1));
    town.step();
    town.s.now_ms += 700'000;
    const auto before = used_by_queue(town.s);
    for (int i = 0; i < 3; ++i)
      town.s.workloads.push_back(town.work(0, static_cast<uint32_t>(1 + town.below(3))));
    const auto plan = decide(town.s);
    ASSERT_TRUE(plan.ok());
    for (const Action& a : plan->actions) stopped += a.act <= Act::kKill;
    const auto left = used_by_queue(after(town.s, *plan));
    for (const model::Queue& q : town.s.queues) {
      const auto had = before.find(q.name), has = left.find(q.name);
      const int64_t then = had == before.end() ? 0 : had->second;
      EXPECT_GE(has == left.end() ? 0 : has->second, std::min(then, q.guarantee))
          << "seed " << seed << " " << q.name << ": " << lines_of(*plan, town.s).front();
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(stopped, 50u);
}

// A queue has many old heads that need whole nodes, all others work that fits anywhere. Over time
// no queue has much more than its part, and the heads are served all the same.
TEST(Fairness, OldHeadsDoNotGetMoreThanTheirPart) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    Town town(seed, 1, 1);
    town.s.nodes.clear();
    town.s.queues.clear();
    for (int i = 0; i < 24; ++i) {
      model::Node n;
      n.name = "n" + std::to_string(i);
      n.model = "A";
      n.cards = 4;
      n.cpu_milli = 1'000'000;
      town.s.nodes.push_back(n);
    }
    for (int i = 0; i < 6; ++i) {
      model::Queue q;
      q.name = "q" + std::to_string(i);
      q.deserved = 16'000;
      q.guarantee = 8'000;
      town.s.queues.push_back(q);
    }
    town.s.policy.backfill_most = 4;
    std::map<std::string, int64_t> ends;
    int64_t most = 0, samples = 0, sum = 0;
    size_t heads = 0;
    for (int i = 0; i < 90; ++i) {
      town.s.workloads.push_back(town.work(0, 4));
      town.s.workloads.back().passed_over = 100;
    }
    for (int step = 0; step < 200; ++step) {
      town.s.now_ms += 60'000;
      std::erase_if(town.s.workloads, [&](const Workload& w) {
        if (w.places.empty()) return false;
        const auto at = ends.try_emplace(w.name, town.s.now_ms + 60'000 * (20 + town.below(20)));
        const bool over = at.first->second <= town.s.now_ms;
        heads += over && w.cards == 4;
        return over;
      });
      for (int queue = 1; queue < 6; ++queue)
        for (int i = 0; i < 2; ++i) town.s.workloads.push_back(town.work(queue, 1));
      town.step();
      if (step < 40) continue;
      const int64_t has = used_by_queue(town.s)["q0"];
      most = std::max(most, has);
      sum += has;
      ++samples;
    }
    EXPECT_LE(most, 16'000 + 4'000) << "seed " << seed;
    EXPECT_GE(sum / samples, 12'000) << "seed " << seed;
    EXPECT_GE(heads, 20u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace flexai::sched
