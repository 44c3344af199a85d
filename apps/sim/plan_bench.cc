// hi-sim plans: what a whole plan takes when facts come as deltas: order, placing, moves, who gives
// way; with work that waits and fits nowhere, and without. Cards are nearly full, work comes and
// goes in every plan. One thread.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/sim/commands.h"
#include "apps/sim/output.h"
#include "apps/sim/random.h"
#include "sched/planner.h"

namespace flexai::apps::sim {
namespace {

using model::Workload;

struct PlanOptions {
  int nodes = 500, pending = 0, kinds = 1000, plans = 200, change = 50;
  double full = 0.9;
  uint64_t seed = 1;
  std::string json;
};

double cpu_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

class Plans {
 public:
  explicit Plans(const PlanOptions& o) : o_(o), random_(o.seed) {}

  base::Result<nlohmann::json> run() {
    build();
    FLEXAI_TRY_ASSIGN(planner_, sched::Planner::open(std::move(start_)));
    const int fill = o_.nodes * 8 * 2;
    for (int i = 0; i < fill && full_ < o_.full; i += 500) FLEXAI_TRY(plan(500, false));
    sched::Delta flood;
    flood.now_ms = planner_->snapshot().now_ms;
    for (int i = 0; i < o_.pending; ++i) flood.workloads.push_back(impossible(i));
    FLEXAI_TRY(planner_->apply(flood));
    for (int i = 0; i < 5; ++i) FLEXAI_TRY(plan(o_.change, true));
    times_.clear();
    placed_ = 0;
    for (int i = 0; i < o_.plans; ++i) FLEXAI_TRY(plan(o_.change, true));
    return report();
  }

 private:
  void build() {
    for (int i = 0; i < o_.nodes; ++i) {
      model::Node n;
      n.name = "n" + std::to_string(i);
      n.model = i % 16 == 0 ? "rare" : i % 2 == 0 ? "A" : "B";
      n.cards = 8;
      n.card_memory_mib = 32768;
      n.cpu_milli = 96000;
      n.memory_mib = 786432;
      n.network_mbps = 25000;
      n.zone = "z" + std::to_string(i % 8);
      start_.nodes.push_back(n);
    }
    const int64_t all = int64_t{8000} * o_.nodes;
    for (int q = 0; q < 20; ++q) {
      model::Queue queue;
      queue.name = "q" + std::to_string(q);
      queue.deserved = all / 20;
      queue.guarantee = all / 40;
      start_.queues.push_back(queue);
    }
    start_.policy.remote_most_milli = all / 100;
    start_.policy.least_run_ms = 600'000;
    start_.now_ms = 1'000'000;
  }

  Workload arrival() {
    Workload w;
    w.name = "w" + std::to_string(number_++);
    w.queue = "q" + std::to_string(random_.below(20));
    w.cards = 1;
    const uint64_t size = random_.below(10);
    w.card_milli = size < 5 ? 100 * (1 + static_cast<int32_t>(random_.below(9))) : 1000;
    if (size == 9) w.cards = 2, w.card_milli = 1000;
    w.cpu_milli = 500 * static_cast<int32_t>(1 + random_.below(8));
    w.memory_mib = 4096;
    w.can_suspend = random_.below(2) == 0;
    w.can_move = random_.below(4) == 0;
    w.submitted_ms = start_ms();
    return w;
  }
  int64_t start_ms() const { return planner_->snapshot().now_ms; }

  // A fifth of the kinds each: more memory on a card than there is, a label that no node has, more
  // processors, whole nodes, and whole nodes of a rare model.
  Workload impossible(int i) {
    const int kind = i % o_.kinds;
    Workload w = arrival();
    w.cards = kind % 5 < 3 ? 1 : 8;
    w.card_milli = 1000;
    w.memory_mib = 4096 + kind;
    if (kind % 5 == 0) w.card_memory_mib = 70000;
    if (kind % 5 == 1) w.labels = {"nowhere"};
    if (kind % 5 == 2) w.cpu_milli = 97000;
    if (kind % 5 >= 3) w.cpu_milli = 64000 + kind;
    if (kind % 5 == 4) w.models = {"rare"};
    return w;
  }

  base::Status plan(int arrivals, bool leave) {
    sched::Delta d;
    d.now_ms = start_ms() + 1000;
    size_t running = 0;
    for (const Workload& w : planner_->snapshot().workloads) running += !w.places.empty();
    const double part = leave && running > 0 ? 1.05 * arrivals / static_cast<double>(running) : 0;
    int64_t used = 0;
    for (const Workload& w : planner_->snapshot().workloads) {
      if (w.places.empty()) continue;
      used += int64_t{w.card_milli} * w.cards;
      if (random_.unit() < part) d.gone.push_back(w.name);
    }
    full_ = static_cast<double>(used) / (8000.0 * o_.nodes);
    if (!leave && full_ >= o_.full) return {};
    for (int i = 0; i < arrivals; ++i) d.workloads.push_back(arrival());
    const double start = cpu_ms();
    FLEXAI_TRY(planner_->apply(d));
    const sched::Plan made = planner_->decide(sched::Explain::kNothing);
    for (const sched::Action& a : made.actions) placed_ += a.act == sched::Act::kPlace;
    planner_->carry_out(made);
    times_.push_back(cpu_ms() - start);
    return {};
  }

  nlohmann::json report() {
    double sum = 0;
    for (double t : times_) sum += t;
    std::sort(times_.begin(), times_.end());
    const auto count = static_cast<double>(times_.size());
    return {{"nodes", o_.nodes},
            {"cards", o_.nodes * 8},
            {"full", full_},
            {"workloads", planner_->snapshot().workloads.size()},
            {"pending_unschedulable", o_.pending},
            {"pending_kinds", o_.pending > 0 ? o_.kinds : 0},
            {"placed_a_plan", static_cast<double>(placed_) / count},
            {"plan_mean_ms", sum / count},
            {"plan_p99_ms", times_[static_cast<size_t>(0.99 * (count - 1))]},
            {"openings", planner_->openings()}};
  }

  PlanOptions o_;
  Random random_;
  sched::Snapshot start_;
  std::unique_ptr<sched::Planner> planner_;
  std::vector<double> times_;
  double full_ = 0;
  size_t placed_ = 0;
  int number_ = 0;
};

}  // namespace

void add_plans(CLI::App& app, Session& session) {
  CLI::App* command = declare(app, "plans", "measure whole plans, fed by deltas",
                              "  hi-sim plans --pending 20000 --pending-kinds 1000\n");
  auto o = std::make_shared<PlanOptions>();
  command->add_option("--nodes", o->nodes, "nodes of 8 cards")->check(CLI::Range(1, 30000));
  command->add_option("--full", o->full, "part of the cards in use")->check(CLI::Range(0.1, 0.99));
  command->add_option("--plans", o->plans, "to measure")->check(CLI::Range(1, 100000));
  command->add_option("--change", o->change, "tasks that come, and that end, in each plan")
      ->check(CLI::Range(1, 10000));
  command->add_option("--pending", o->pending, "tasks that fit nowhere and wait")
      ->check(CLI::Range(0, 1000000));
  command->add_option("--pending-kinds", o->kinds, "different demands of these")
      ->check(CLI::Range(1, 10000));
  command->add_option("--seed", o->seed, "of everything drawn");
  command->add_option("--json", o->json, "write the figures there; - is standard output");
  perform(command, session, [o]() -> base::Status {
    FLEXAI_TRY_ASSIGN(nlohmann::json figures, Plans(*o).run());
    if (!o->json.empty()) return write_json(o->json, figures);
    for (const auto& [name, value] : figures.items())
      std::printf("%-30s %s\n", name.c_str(), value.dump().c_str());
    return {};
  });
}

}  // namespace flexai::apps::sim
