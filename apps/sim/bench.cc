// hi-sim bench: decisions a second on a synthetic cluster that is nearly full while work comes and
// goes. One thread; a sample of the decisions is checked against asking every node.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/sim/commands.h"
#include "apps/sim/output.h"
#include "apps/sim/random.h"
#include "apps/sim/trace.h"
#include "sched/node_order.h"
#include "sched/placer.h"
#include "sched/queues.h"
#include "sched/residents.h"

namespace flexai::apps::sim {
namespace {

using sched::Placement;
using sched::Shape;
using sched::ShapeId;

struct BenchOptions {
  int nodes = 5000, shapes = 1000, decisions = 200000, pending = 0, kinds = 100;
  double full = 0.95, fresh = 0.01;
  bool uniform = false, openb = false;
  std::string json, trace = "openb";
  uint64_t seed = 1;
};

double now_us() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double cpu_us() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double resident_mb() {
  std::ifstream in("/proc/self/statm");
  int64_t size = 0, resident = 0;
  in >> size >> resident;
  return static_cast<double>(resident) * 4096 / 1e6;
}

class Bench {
 public:
  explicit Bench(const BenchOptions& o) : o_(o), random_(o.seed) {}

  base::Result<nlohmann::json> run() {
    const double start = now_us();
    build_nodes();
    build_queues();
    FLEXAI_TRY(build_shapes());
    sched::Policy policy;
    policy.remote_most_milli = cluster_.card_milli() / 100;
    placer_ = std::make_unique<sched::Placer>(&cluster_, &shapes_, policy, kModels);
    decide(draw());
    const double first = now_us() - start;
    while (full() < o_.full && misses_ < 20000) decide(draw());
    for (int i = 0; i < o_.pending; ++i) flood_.push_back(impossible(i));
    std::sort(flood_.begin(), flood_.end());
    flood_.erase(std::unique(flood_.begin(), flood_.end()), flood_.end());
    measure();
    return report(first);
  }

 private:
  static constexpr int kModels = 5, kTakenModel = 4;
  static constexpr int kDepartments = 4, kTeams = 5, kUsers = 5;
  struct Running {
    ShapeId shape;
    Placement at;
    sched::QueueId queue;
  };

  double full() const {
    return 1 -
           static_cast<double>(cluster_.idle_milli()) / static_cast<double>(cluster_.card_milli());
  }

  void build_nodes() {
    std::vector<sched::NodeSpec> specs(static_cast<size_t>(o_.nodes));
    for (sched::NodeSpec& spec : specs) {
      spec.cpu_milli = 96000 + 32000 * static_cast<int>(random_.below(2));
      spec.memory_mib = 786432;
      spec.cards = 8;
      spec.card_memory_mib = 32768 << random_.below(2);
      spec.network_mbps = 25000;
      spec.model = static_cast<uint8_t>(random_.below(kTakenModel));
      spec.zone = static_cast<uint16_t>(random_.below(16));
      spec.labels = random_.below(4);
    }
    for (uint32_t position : sched::node_order(specs)) cluster_.add(specs[position]);
    take_all_of_one_model(specs.front());
  }

  // A few nodes beside the others, whose cards are in use for good.
  void take_all_of_one_model(sched::NodeSpec spec) {
    if (o_.pending == 0) return;
    spec.model = kTakenModel;
    Shape half;
    half.cards = 1;
    half.milli = 500;
    for (int i = 0; i < 64; ++i) {
      const sched::NodeId n = cluster_.add(spec);
      for (int card = 0; card < spec.cards; ++card) cluster_.take(half, {n, n, 1u << card});
      cluster_.set_open(n, true);
    }
  }

  // Three levels: departments, teams, users' queues. Limits and caps are looked at on the way up at
  // each decision; some bind now and then.
  void build_queues() {
    sched::Usage all;
    for (sched::NodeId n = 0; n < cluster_.size(); ++n) {
      all.ncu += cluster_[n].idle;
      all.cpu += cluster_[n].cpu_free;
      all.memory += cluster_[n].memory_free;
      all.network += cluster_[n].network_free;
    }
    std::vector<model::Queue> queues;
    auto add = [&](std::string name, std::string parent, int64_t parts) {
      model::Queue q;
      q.name = std::move(name);
      q.parent = std::move(parent);
      q.guarantee = all.ncu / parts / 2;
      q.deserved = all.ncu / parts;
      q.limit = all.ncu / parts * 13 / 10;
      q.caps = {{"M0", all.ncu / parts / 2}};
      queues.push_back(std::move(q));
    };
    for (int d = 0; d < kDepartments; ++d) {
      const std::string department = "d" + std::to_string(d);
      add(department, "", kDepartments);
      for (int t = 0; t < kTeams; ++t) {
        const std::string team = department + "t" + std::to_string(t);
        add(team, department, kDepartments * kTeams);
        for (int u = 0; u < kUsers; ++u)
          add(team + "u" + std::to_string(u), team, kDepartments * kTeams * kUsers);
      }
    }
    for (sched::QueueId id = 0; id < queues.size(); ++id)
      if (queues[id].name.find('u') != std::string::npos) leaves_.push_back(id);
    const std::vector<std::string> models{"M0", "M1", "M2", "M3", "M4"};
    queues_ = std::make_unique<sched::Queues>(queues, models, all);
  }

  Shape arbitrary() {
    Shape s;
    const uint64_t kind = random_.below(100);
    s.cards = static_cast<uint8_t>(kind < 8    ? 0
                                   : kind < 92 ? 1
                                   : kind < 95 ? 2
                                   : kind < 97 ? 4
                                               : 8);
    s.cpu_milli = s.cards > 1 ? 8000 * s.cards : 500 * static_cast<int>(2 + random_.below(22));
    s.memory_mib = 512 * static_cast<int>(4 + random_.below(60));
    s.milli = static_cast<int16_t>(s.cards == 0 ? 0
                                   : kind < 50  ? 10 * (5 + random_.below(90))
                                                : 1000);
    if (s.cards > 0) {
      s.card_memory_mib = s.milli * 24;
      s.network_mbps = 200 + s.milli;
      s.reach = random_.below(2) == 0 ? sched::Reach::kPreferLocal : sched::Reach::kLocal;
      s.remote_penalty = 600;
      if (random_.below(4) == 0) s.models = 1 + random_.below(14);
    }
    if (random_.below(20) == 0) s.labels = 1;
    if (random_.below(20) == 0) s.zones = 0xff;
    return s;
  }

  // Popularity falls like that of openb: a few shapes are most of the work.
  base::Status build_shapes() {
    std::vector<double> weights;
    if (o_.openb) {
      FLEXAI_TRY_ASSIGN(std::string folder, find_trace(o_.trace));
      FLEXAI_TRY_ASSIGN(Trace trace, read_openb(folder, "default"));
      for (const TraceTask& task : trace.tasks) {
        const ShapeId id = shapes_.intern(task.shape);
        if (id >= weights.size()) weights.resize(id + 1);
        weights[id] += 1;
      }
    } else {
      while (shapes_.size() < static_cast<size_t>(o_.shapes)) shapes_.intern(arbitrary());
      for (size_t i = 0; i < shapes_.size(); ++i)
        weights.push_back(o_.uniform ? 1 : 1 / (static_cast<double>(i) + 8));
    }
    double sum = 0;
    for (double w : weights) cumulative_.push_back(sum += w);
    return {};
  }

  ShapeId draw() {
    const double at = random_.unit() * cumulative_.back();
    return static_cast<ShapeId>(std::upper_bound(cumulative_.begin(), cumulative_.end(), at) -
                                cumulative_.begin());
  }

  // Waiting work, a fifth of the kinds each: more memory on a card than there is; a label that no
  // node has; all cards, or one, of a model whose cards are all in use; whole nodes of any model.
  // The last starts when a node runs empty, as it would.
  ShapeId impossible(int i) {
    const int kind = i % o_.kinds;
    Shape s;
    s.milli = 1000;
    s.cards = kind % 5 == 1 || kind % 5 == 3 ? 1 : 8;
    s.memory_mib = 4096 + kind;
    s.cpu_milli = s.cards == 1 ? 1000 + kind : 64000 + kind * 32;
    if (kind % 5 == 0) s.card_memory_mib = 70000;
    if (kind % 5 == 1) s.labels = 1u << 5;
    if (kind % 5 == 2 || kind % 5 == 3) s.models = 1u << kTakenModel;
    return shapes_.intern(s);
  }

  void plan_waiting() {
    for (ShapeId waiting : flood_) {
      const sched::Choice c = placer_->place(waiting);
      if (!c.found()) continue;
      ++flood_placed_;
      cluster_.take(shapes_[waiting], c.at);
      running_.push_back({waiting, c.at, leaves_[0]});
      queues_->charge(leaves_[0], usage_of(waiting, c.at), 1);
    }
  }

  sched::Usage usage_of(ShapeId id, const Placement& at) const {
    const Shape& s = shapes_[id];
    sched::Usage usage;
    usage.cpu = s.cpu_milli;
    usage.memory = s.memory_mib;
    if (s.cards == 0) return usage;
    usage.model = cluster_[at.card_node].model;
    usage.milli = usage.ncu = s.total_milli();
    if (at.remote()) usage.network = int64_t{s.network_mbps} * s.cards;
    return usage;
  }

  void decide(ShapeId id) {
    const sched::QueueId queue = leaves_[random_.below(leaves_.size())];
    placer_->learn(id);
    placer_->set_remote_used(remote_milli_);
    const sched::Choice choice = placer_->place(id);
    missed_ = !choice.found() || !cluster_.fits(shapes_[id], choice.at);
    if (missed_) {
      ++misses_;
      return;
    }
    const sched::Usage usage = usage_of(id, choice.at);
    missed_ = queues_->allows(queue, usage) != sched::Reason::kNone;
    if (missed_) {
      ++refused_;
      return;
    }
    cluster_.take(shapes_[id], choice.at);
    queues_->charge(queue, usage, 1);
    if (choice.at.remote()) remote_milli_ += shapes_[id].total_milli();
    running_.push_back({id, choice.at, queue});
  }

  void leave() {
    if (running_.empty()) return;
    std::swap(running_[random_.below(running_.size())], running_.back());
    const Running r = running_.back();
    running_.pop_back();
    cluster_.give(shapes_[r.shape], r.at);
    queues_->charge(r.queue, usage_of(r.shape, r.at), -1);
    if (r.at.remote()) remote_milli_ -= shapes_[r.shape].total_milli();
  }

  void measure() {
    for (int i = 0; i < o_.decisions / 10; ++i) step(draw(), false);  // warm
    times_.clear();
    misses_ = refused_ = 0;
    double checks = 0;
    const double start = cpu_us();
    for (int i = 0; i < o_.decisions; ++i) {
      const bool fresh = !o_.openb && random_.unit() < o_.fresh;
      if (i % 1000 == 999) {
        const double before = cpu_us();
        check(draw());
        checks += cpu_us() - before;
      }
      step(fresh ? shapes_.intern(arbitrary()) : draw(), fresh);
    }
    cpu_us_ = cpu_us() - start - checks;
  }

  // Before each arrival enough leaves to keep the cluster as full as asked; one when the last found
  // no room, so that processors run out no more than cards.
  void step(ShapeId id, bool fresh) {
    const double start = now_us();
    if (missed_) leave();
    while (full() > o_.full) leave();
    // A plan tries each kind of waiting work once; at 100,000 decisions a second and a plan every
    // 10 ms that is once in so many decisions.
    if (placed_ % 1000 == 0) plan_waiting();
    decide(id);
    const double took = now_us() - start;
    ++placed_;
    fresh_ += fresh;
    times_.push_back(took);
  }

  void check(ShapeId id) {
    const sched::Choice choice = placer_->place(id), brute = placer_->brute_force(id);
    ++checked_;
    differing_ += choice.at != brute.at;
  }

  nlohmann::json report(double first) {
    double total = 0;
    for (double t : times_) total += t;
    std::sort(times_.begin(), times_.end());
    auto percentile = [&](double p) {
      return times_[static_cast<size_t>(p * static_cast<double>(times_.size() - 1))];
    };
    return {{"nodes", o_.nodes},
            {"cards", o_.nodes * 8},
            {"shapes", shapes_.size()},
            {"full", full()},
            {"decisions", times_.size()},
            {"unseen_shapes", fresh_},
            {"decisions_per_second", 1e6 * static_cast<double>(times_.size()) / total},
            {"decisions_per_cpu_second", 1e6 * static_cast<double>(times_.size()) / cpu_us_},
            {"p50_us", percentile(0.5)},
            {"p99_us", percentile(0.99)},
            {"p999_us", percentile(0.999)},
            {"worst_us", times_.back()},
            {"checked", checked_},
            {"differing", differing_},
            {"queues", leaves_.size()},
            {"unplaced", misses_},
            {"refused_by_quota", refused_},
            {"pending_unschedulable", o_.pending},
            {"pending_kinds", flood_.size()},
            {"pending_started", flood_placed_},
            {"snapshot_to_first_decision_ms", first / 1000},
            {"resident_mb", resident_mb()}};
  }

  BenchOptions o_;
  Random random_;
  sched::Cluster cluster_;
  sched::ShapeTable shapes_;
  std::unique_ptr<sched::Placer> placer_;
  std::vector<double> cumulative_, times_;
  std::vector<Running> running_;
  std::unique_ptr<sched::Queues> queues_;
  std::vector<sched::QueueId> leaves_;
  std::vector<ShapeId> flood_;
  int64_t remote_milli_ = 0;
  double cpu_us_ = 1;
  bool missed_ = false;
  size_t misses_ = 0, refused_ = 0, flood_placed_ = 0, placed_ = 0, fresh_ = 0, checked_ = 0,
         differing_ = 0;
};

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  CLI::App* command = declare(app, "bench", "measure decisions a second on one thread",
                              "  hi-sim bench --nodes 5000\n"
                              "  hi-sim bench --nodes 30000 --uniform --json -\n");
  auto o = std::make_shared<BenchOptions>();
  command->add_option("--nodes", o->nodes, "nodes of 8 cards")->check(CLI::Range(1, 200000));
  command->add_option("--shapes", o->shapes, "different demands")->check(CLI::Range(1, 5000));
  command->add_option("--decisions", o->decisions, "to measure")
      ->check(CLI::Range(1000, 100000000));
  command->add_option("--full", o->full, "part of the cards in use")->check(CLI::Range(0.0, 0.99));
  command->add_option("--unseen", o->fresh, "part of the arrivals with a new demand")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--pending", o->pending, "tasks that fit nowhere and wait");
  command->add_option("--pending-kinds", o->kinds, "different demands of these")
      ->check(CLI::Range(1, 1000));
  command->add_flag("--uniform", o->uniform, "all demands equally frequent");
  command->add_flag("--openb", o->openb, "the demands of the openb trace");
  command->add_option("--json", o->json, "write the figures there; - is standard output");
  perform(command, session, [o]() -> base::Status {
    FLEXAI_TRY_ASSIGN(nlohmann::json figures, Bench(*o).run());
    if (!o->json.empty()) return write_json(o->json, figures);
    for (const auto& [name, value] : figures.items())
      std::printf("%-30s %s\n", name.c_str(), value.dump().c_str());
    return {};
  });
}

}  // namespace flexai::apps::sim
