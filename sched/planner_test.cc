#include "sched/planner.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sched/plan_text.h"
#include "sched/snapshot_json.h"

namespace flexai::sched {
namespace {

using model::Workload;

// A cluster to which everything happens that can: work comes, ends, is changed and reported on,
// nodes close, plans are carried out, half or not at all, facts come that the plans did not know.
class Life {
 public:
  explicit Life(unsigned seed) : engine_(seed) {}
  int below(int bound) { return static_cast<int>(engine_() % static_cast<unsigned>(bound)); }

  Snapshot start() {
    Snapshot s;
    s.now_ms = 1000;
    s.policy.remote_most_milli = 2000 * below(6);
    s.policy.settle_ms = 3000;
    s.policy.least_run_ms = 2000 * below(2);
    s.policy.patience_ms = 4000;
    s.policy.backfill_most = 4;
    if (below(2) == 0) s.network = {{10000, 20}, {1000, 400}};
    s.rates = {{"A", "", 1000, 0}, {"B", "", 1500, 50}, {"B", "infer", 2000, 0}};
    for (int i = 0; i < 8; ++i) s.nodes.push_back(node(i));
    for (int i = 0; i < 4; ++i) {
      model::Queue q;
      q.name = "q" + std::to_string(i);
      if (i == 3) q.parent = "q2";
      q.guarantee = i == 3 ? 500 : 1500;
      q.deserved = i == 3 ? 1000 : 4000;
      if (i == 1) q.limit = 6000;
      s.queues.push_back(q);
    }
    for (int i = 0; i < 2; ++i) s.fits.push_back(fit(i));
    for (int i = 0; i < 20; ++i) s.workloads.push_back(work());
    return s;
  }

  model::Node node(int i) {
    model::Node n;
    n.name = "n" + std::to_string(i);
    n.model = below(2) == 0 ? "A" : "B";
    n.cards = static_cast<uint32_t>(1 + below(4));
    n.card_memory_mib = 100;
    if (below(4) == 0)
      for (uint32_t card = 0; card < n.cards; ++card) n.each_card_mib.push_back(10 + below(91));
    n.cpu_milli = 2000 * (1 + below(6));
    n.memory_mib = 2000;
    n.network_mbps = 500 * (1 + below(3));
    n.zone = "z" + std::to_string(below(3));
    if (below(3) == 0) n.labels = {"l" + std::to_string(below(2))};
    return n;
  }

  model::Fit fit(int number) {
    model::Fit f{"f" + std::to_string(number), std::vector<uint32_t>(8)};
    for (uint32_t& word : f.nodes)
      word = static_cast<uint32_t>(below(16)) | (below(3) == 0 ? 0 : model::Fit::kProcessor);
    return f;
  }

  Workload work() {
    Workload w;
    w.name = "w" + std::to_string(number_++);
    w.queue = "q" + std::to_string(below(4));
    w.priority = below(3);
    w.members = below(5) == 0 ? static_cast<uint32_t>(2 + below(2)) : 1;
    w.together = below(3) == 0;
    w.apart = below(5) == 0;
    w.cards = static_cast<uint32_t>(below(8) == 0 ? 2 : below(9) == 0 ? 0 : 1);
    w.card_milli = w.cards > 1 ? 1000 : 100 * (1 + below(10));
    w.cpu_milli = 500 * below(5);
    w.memory_mib = 100 * below(5);
    w.card_memory_mib = w.cards == 0 ? 0 : 10 * below(4);
    w.interruption = below(200);
    w.submitted_ms = 1000;
    if (w.cards == 1 && below(3) == 0) w.card_milli_least = 100;
    if (below(3) != 0) w.locality = model::Locality::kPreferLocal;
    w.network_mbps = 50 * below(4);
    w.remote_calls = 1000 * below(3);
    w.remote_penalty = 100 * below(4);
    w.can_share = below(4) == 0;
    w.can_suspend = below(3) == 0;
    w.can_move = below(2) == 0;
    w.can_restart = below(4) != 0;
    w.preemptible = below(5) != 0;
    if (below(4) == 0) w.models = {"A", "other"};
    if (below(6) == 0) w.labels = {"l0"};
    if (below(4) == 0) w.fit = "f" + std::to_string(below(2));
    if (below(4) == 0) w.kind = "infer";
    return w;
  }

  Delta next(const Snapshot& known) {
    Delta d;
    d.now_ms = known.now_ms + 1000;
    for (const Workload& w : known.workloads) {
      const int kind = below(12);
      if (kind == 0 || (kind == 1 && !w.places.empty())) d.gone.push_back(w.name);
      if (kind == 2 && w.cards == 1) d.used.push_back({w.name, below(w.card_milli + 1)});
      if (kind != 3) continue;
      Workload changed = w;  // stopped by itself, asked for something else, or only dearer
      if (below(2) == 0) {
        changed.state = model::WorkState::kPending;
        changed.places.clear();
        changed.granted_milli = -1;
        changed.cpu_milli = 500 * below(5);
      }
      changed.interruption = below(200);
      d.workloads.push_back(changed);
    }
    for (int i = below(5); i > 0; --i) {
      d.workloads.push_back(work());
      d.workloads.back().submitted_ms = d.now_ms;
    }
    if (below(6) == 0)
      d.gates.push_back({known.nodes[static_cast<size_t>(below(8))].name, below(2) == 0});
    if (below(6) == 0) d.fits.push_back(fit(below(2)));
    if (below(25) == 0) {
      d.rates = known.rates;
      d.rates->front().milli = 900 + below(200);
    }
    return d;
  }

 private:
  std::mt19937 engine_;
  int number_ = 0;
};

// Whatever happened before: the plan is that of the snapshot alone, and so is what it leaves.
TEST(Planner, PlansAreThoseOfTheSnapshot) {
  size_t acts[9] = {}, openings = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    Life life(seed);
    auto planner = Planner::open(life.start());
    ASSERT_TRUE(planner.ok()) << planner.error().message;
    for (int step = 0; step < 40; ++step) {
      const Snapshot known = (*planner)->snapshot();
      const Plan plan = (*planner)->decide();
      const auto fresh = decide(known);
      ASSERT_TRUE(fresh.ok()) << fresh.error().message;
      ASSERT_EQ(lines_of(plan, known), lines_of(*fresh, known)) << "seed " << seed << " " << step;
      ASSERT_EQ(plan, *fresh) << "seed " << seed << " step " << step;
      for (const Action& a : plan.actions) ++acts[static_cast<int>(a.act)];
      const int done = life.below(8);  // now and then a plan is dropped
      if (done > 0) {
        (*planner)->carry_out(plan);
        ASSERT_EQ(to_json((*planner)->snapshot()).dump(), to_json(after(known, *fresh)).dump());
      }
      const base::Status applied = (*planner)->apply(life.next((*planner)->snapshot()));
      ASSERT_TRUE(applied.ok()) << applied.error().message;
      ASSERT_TRUE(validate((*planner)->snapshot()).ok());
    }
    openings += (*planner)->openings();
  }
  for (const Act act : {Act::kShrink, Act::kShare, Act::kSuspend, Act::kMigrate, Act::kRequeue,
                        Act::kPlace, Act::kHome})
    EXPECT_GT(acts[static_cast<int>(act)], 0u) << act_name(act);
  EXPECT_LT(openings, 60u * 6) << "it lives on but for new rates";
}

// What is refused leaves everything as it was.
TEST(Planner, RefusesWhatIsNotSound) {
  Life life(3);
  auto opened = Planner::open(life.start());
  ASSERT_TRUE(opened.ok());
  Planner& planner = **opened;
  planner.carry_out(planner.decide());
  const Snapshot known = planner.snapshot();
  const std::string before = to_json(known).dump();
  auto refused = [&](auto change) {
    Delta d;
    d.now_ms = known.now_ms;
    change(&d);
    const base::Status said = planner.apply(d);
    EXPECT_FALSE(said.ok());
    EXPECT_EQ(to_json(planner.snapshot()).dump(), before);
    EXPECT_EQ(planner.decide(), *decide(known));
    return said.ok() ? std::string() : said.error().message;
  };
  Workload bad = life.work();
  EXPECT_NE(refused([](Delta* d) { d->now_ms = 0; }).find("before"), std::string::npos);
  EXPECT_NE(refused([](Delta* d) { d->gone = {"nobody"}; }).find("\"nobody\""), std::string::npos);
  EXPECT_NE(refused([](Delta* d) {
              d->used = {{"w0", 2000}};
            }).find("observed"),
            std::string::npos);
  EXPECT_NE(refused([](Delta* d) {
              d->gates = {{"nowhere", true}};
            }).find("nowhere"),
            std::string::npos);
  EXPECT_NE(refused([&](Delta* d) {
              bad.queue = "none";
              d->workloads = {life.work(), bad};
            }).find("queue \"none\""),
            std::string::npos);
  EXPECT_NE(refused([&](Delta* d) {
              bad.queue = "q0";
              bad.cpu_milli = -1;
              d->workloads = {bad};
            }).find("cpu_milli"),
            std::string::npos);
  EXPECT_NE(refused([&](Delta* d) {
              bad = life.work();
              bad.cards = 1;
              bad.card_milli = 100;
              bad.members = 1;
              bad.cpu_milli = 9'000'000;
              bad.state = model::WorkState::kRunning;
              bad.places = {{"n0", "", {0}}};
              d->workloads = {bad};
            }).find("overbooks"),
            std::string::npos);
  EXPECT_NE(refused([&](Delta* d) {
              bad.places = {{"n99", "", {0}}};
              d->workloads = {bad};
            }).find("n99"),
            std::string::npos);
  EXPECT_NE(refused([](Delta* d) { d->queues = std::vector<model::Queue>(); }).find("queue"),
            std::string::npos);
}

// The mix that was learnt is part of the snapshot: who opens it decides the same.
TEST(Planner, WhatWasLearntIsInTheSnapshot) {
  Life life(5);
  auto planner = Planner::open(life.start());
  ASSERT_TRUE(planner.ok());
  EXPECT_FALSE((*planner)->snapshot().mix.empty());
  const auto text = to_json((*planner)->snapshot());
  const auto again = snapshot_from_json(text);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->mix, (*planner)->snapshot().mix);
  EXPECT_EQ(*decide(*again), (*planner)->decide());
}

}  // namespace
}  // namespace flexai::sched
