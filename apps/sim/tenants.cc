#include "apps/sim/tenants.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>

#include "apps/sim/fairness.h"
#include "apps/sim/loops.h"
#include "apps/sim/random.h"
#include "sched/planner.h"

namespace flexai::apps::sim {
namespace {

using model::Workload;
using model::WorkState;

constexpr double kWindow = 3600, kLongestTask = 14400, kCycle = 3 * 3600, kAwake = 2 * 3600;
constexpr double kWarmUp = 2 * kCycle;  // not measured
constexpr int kMostUnrest = 64;
constexpr size_t kRestEvery = 500;  // ticks between two looks at whether plans come to rest
constexpr int kRemotePenalty = 600;
constexpr int64_t kLeastRunMs = 600'000;

double now_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

struct Task {
  double at = 0, seconds = 0, use = 1;
  Workload work;
};

struct Progress {
  double left_s = 0, all_s = 0;
  double since = 0;  // started or resized
  double ran_s = 0;  // since it began anew, weighed by its share
  size_t stops = 0;
  double submitted = 0;
  bool started = false;
  double use = 1;  // of what it asked for
};

class Tenants {
 public:
  Tenants(const Trace& trace, const TenantOptions& o) : trace_(trace), o_(o), random_(o.seed) {}

  base::Result<TenantResult> run() {
    build_cluster();
    build_queues();
    line_up();
    FLEXAI_TRY_ASSIGN(planner_, sched::Planner::open(snapshot_));
    double now = 0;
    while (next_ < tasks_.size() || !known().workloads.empty()) {
      now += o_.tick_s;
      if (next_ >= tasks_.size() && now > tasks_.back().at + 2 * kCycle) break;
      depart(now);
      observe();
      arrive(now);
      FLEXAI_TRY(decide(now));
      if (now > kWarmUp && next_ < tasks_.size()) measure(now);
      ++result_.ticks;
      if (result_.ticks % kRestEvery == 0) FLEXAI_TRY(look_for_loops());
    }
    finish();
    return result_;
  }

 private:
  void build_cluster() {
    int64_t milli = 0;
    for (size_t i = 0; i < trace_.nodes.size(); i += o_.thin) {
      const TraceNode& from = trace_.nodes[i];
      model::Node node;
      node.name = from.name;
      node.model = trace_.models[from.spec.model];
      node.cards = from.spec.cards;
      node.cpu_milli = from.spec.cpu_milli;
      node.memory_mib = from.spec.memory_mib;
      node.network_mbps = 25000;
      node.card_memory_mib = 0;
      if (node.cards == 0) node.model.clear();
      milli += int64_t{node.cards} * 1000;
      snapshot_.nodes.push_back(std::move(node));
    }
    result_.cards = milli / 1000;
    if (o_.remote) snapshot_.policy.remote_most_milli = milli / 100;
    snapshot_.policy.least_run_ms = kLeastRunMs;
  }

  // Deserved parts 1 : 2 : 3 : 4 in turn, half of it guaranteed.
  void build_queues() {
    double weights = 0;
    for (int q = 0; q < o_.queues; ++q) weights += 1 + q % 4;
    for (int q = 0; q < o_.queues; ++q) {
      model::Queue queue;
      queue.name = "q" + std::to_string(q);
      queue.weight = 1 + q % 4;
      queue.deserved =
          static_cast<int64_t>(static_cast<double>(result_.cards) * 1000 * queue.weight / weights);
      queue.guarantee = queue.deserved / 2;
      snapshot_.queues.push_back(queue);
    }
  }

  Workload work_of(const TraceTask& task, size_t number) {
    const sched::Shape& s = task.shape;
    Workload w;
    w.name = "t" + std::to_string(number);
    w.cards = s.cards;
    w.card_milli = s.milli;
    w.cpu_milli = s.cpu_milli;
    w.memory_mib = s.memory_mib;
    if (s.models != sched::kAnyModel)
      for (size_t m = 0; m < trace_.models.size(); ++m)
        if ((s.models >> m & 1) != 0) w.models.push_back(trace_.models[m]);
    const uint64_t kind = random_.below(20);
    w.can_suspend = kind < 10;
    w.can_move = kind % 4 == 0;
    if (random_.below(100) < static_cast<uint64_t>(o_.elastic_percent) && s.cards == 1 &&
        s.milli >= 40)
      w.card_milli_least = s.milli / 4;
    w.interruption = 50 + static_cast<int32_t>(random_.below(100));
    w.priority = random_.below(10) == 0 ? 1 : 0;
    if (o_.remote) {
      w.locality = model::Locality::kPreferLocal;
      w.remote_penalty = kRemotePenalty;
      w.network_mbps = 100;
    }
    return w;
  }

  bool awake(int queue, double at) const {
    return std::fmod(at + kCycle * queue / o_.queues, kCycle) < kAwake;
  }

  // Who is awake shares the arrivals in proportion to its weight.
  int queue_at(double at) {
    int weights = 0;
    for (int q = 0; q < o_.queues; ++q)
      if (awake(q, at)) weights += snapshot_.queues[static_cast<size_t>(q)].weight;
    auto pick = static_cast<int>(random_.below(static_cast<uint64_t>(std::max(weights, 1))));
    for (int q = 0; q < o_.queues; ++q) {
      if (!awake(q, at)) continue;
      pick -= snapshot_.queues[static_cast<size_t>(q)].weight;
      if (pick < 0) return q;
    }
    return 0;
  }

  void line_up() {
    double work = 0;
    for (size_t i = 0; i < o_.tasks; ++i) {
      const TraceTask& from = trace_.tasks[random_.below(trace_.tasks.size())];
      Task task;
      task.seconds =
          std::clamp(static_cast<double>(from.deleted_s - from.created_s), 1.0, kLongestTask);
      task.work = work_of(from, i);
      task.use = std::clamp(o_.use * (0.5 + random_.unit()), 0.01, 1.0);
      work += task.seconds * from.shape.total_milli() / 1000;
      tasks_.push_back(std::move(task));
    }
    const double span = work / (o_.load * static_cast<double>(result_.cards));
    std::vector<double> times(o_.tasks);
    for (double& at : times) at = random_.unit() * span;
    std::sort(times.begin(), times.end());
    for (size_t i = 0; i < o_.tasks; ++i) {
      tasks_[i].at = times[i];
      tasks_[i].work.queue = snapshot_.queues[static_cast<size_t>(queue_at(times[i]))].name;
      tasks_[i].work.submitted_ms = static_cast<int64_t>(times[i] * 1000);
    }
    result_.tasks = o_.tasks;
  }

  const sched::Snapshot& known() const { return planner_->snapshot(); }

  static double rate(const Workload& w, double use) {
    if (w.card_milli <= 0 || w.cards != 1 || w.granted_milli < 0) return 1;
    return std::min(1.0, static_cast<double>(w.granted_milli) / (w.card_milli * use));
  }
  static double held(const Workload& w) {  // cards
    const int32_t milli = w.cards == 1 && w.granted_milli >= 0 ? w.granted_milli : w.card_milli;
    return w.places.empty() ? 0 : milli * static_cast<double>(w.cards) / 1000;
  }
  static double wanted(const Workload& w) {
    return w.card_milli * static_cast<double>(w.cards) / 1000;
  }

  // Takes what it did since the last look into account.
  void account(const Workload& w, double now) {
    Progress& p = progress_[w.name];
    const double did = (now - p.since) * rate(w, p.use);
    p.left_s -= did;
    p.ran_s += did;
    p.since = now;
  }

  void depart(double now) {
    for (const Workload& w : known().workloads) {
      if (w.places.empty()) continue;
      account(w, now);
      const auto at = progress_.find(w.name);
      if (at->second.left_s > 0) continue;
      useful_ += at->second.all_s * wanted(w);
      completions_.push_back(now - at->second.submitted);
      loops_.gone(w.name);
      delta_.gone.push_back(w.name);
      progress_.erase(at);
      ++result_.events;
    }
  }

  void observe() {
    for (const Workload& w : known().workloads) {
      if (w.places.empty() || w.card_milli_least <= 0) continue;
      const auto at = progress_.find(w.name);
      if (at == progress_.end()) continue;  // it has just ended
      const int32_t granted = w.granted_milli >= 0 ? w.granted_milli : w.card_milli;
      const int32_t seen = std::min(granted, static_cast<int32_t>(w.card_milli * at->second.use));
      if (seen != w.observed_milli) delta_.used.push_back({w.name, seen});
    }
  }

  void arrive(double now) {
    for (; next_ < tasks_.size() && tasks_[next_].at <= now; ++next_) {
      const Task& t = tasks_[next_];
      progress_[t.work.name] = {t.seconds, t.seconds, 0, 0, 0, t.at, false, t.use};
      delta_.workloads.push_back(t.work);
      ++result_.events;
    }
  }

  static std::string place_text(const model::MemberPlace& place) {
    std::string text = place.node + "<" + place.card_node;
    for (uint32_t card : place.cards) text += " " + std::to_string(card);
    return text;
  }
  // A plan moves a member once at most, so it still is where the snapshot has it.
  const model::MemberPlace& moving_from(const sched::Action& a) const {
    return known().workloads[a.workload].places[a.member];
  }

  // What it costs beside the work that is lost (model/act_cost.h).
  double lost_s(const sched::Action& a, const Workload& w) {
    const model::ActCosts& costs = known().policy.costs;
    const int64_t memory = int64_t{w.card_memory_mib} * w.cards;
    const int64_t ms =
        a.act == sched::Act::kPlace                                   ? 0
        : a.act == sched::Act::kSuspend                               ? costs.suspend.ms(memory)
        : a.act == sched::Act::kMigrate || a.act == sched::Act::kHome ? costs.migrate.ms(memory)
        : a.act == sched::Act::kRequeue || a.act == sched::Act::kKill ? costs.restart.ms(memory)
                                                                      : costs.resize.ms(memory);
    acts_ += static_cast<double>(ms) / 1000 * wanted(w);
    return static_cast<double>(ms) / 1000;
  }

  void count(const sched::Action& a, double now) {
    using sched::Act;
    const Workload& w = known().workloads[a.workload];
    Progress& p = progress_[w.name];
    ++result_.events;
    p.left_s += lost_s(a, w);
    switch (a.act) {
      case Act::kPlace:
        if (!p.started) waits_.push_back(now - p.submitted);
        p.started = true;
        p.since = now;
        return;
      case Act::kShrink:
      case Act::kGrow:
        result_.shrinks += a.act == Act::kShrink;
        return;
      case Act::kShare:
        ++result_.shares;
        return;
      case Act::kMigrate:
      case Act::kHome:
        ++(a.act == Act::kHome ? result_.homes : result_.moves);
        loops_.moved(w.name, a.member, place_text(moving_from(a)), place_text(a.places.front()),
                     now);
        return;
      case Act::kSuspend:
        ++result_.suspends;
        break;
      case Act::kRequeue:
      case Act::kKill:
        ++(a.act == Act::kKill ? result_.kills : result_.requeues);
        wasted_ += p.ran_s * wanted(w);
        p.left_s = p.all_s + known().policy.costs.restart.fixed_ms / 1000.0;
        p.ran_s = 0;
        break;
    }
    result_.most_stops = std::max(result_.most_stops, ++p.stops);
    loops_.stopped(w.name, known().workloads[a.because].name);
  }

  base::Status decide(double now) {
    const double start = now_ms();
    delta_.now_ms = static_cast<int64_t>(now * 1000);
    FLEXAI_TRY(planner_->apply(delta_));
    delta_ = {};
    const sched::Plan plan = planner_->decide(sched::Explain::kNothing);
    const double took = now_ms() - start;
    result_.decide_mean_ms += took;
    result_.decide_worst_ms = std::max(result_.decide_worst_ms, took);
    for (const sched::Action& a : plan.actions) count(a, now);
    if (result_.ticks % kRestEvery == kRestEvery - 1) {
      FLEXAI_TRY_ASSIGN(sched::Plan anew, sched::decide(known(), sched::Explain::kNothing));
      result_.differing += !(anew == plan);
    }
    planner_->carry_out(plan);
    return {};
  }

  // With time standing still the plans must run dry.
  base::Status look_for_loops() {
    sched::Snapshot still = known();
    int rounds = 0;
    for (; rounds < kMostUnrest; ++rounds) {
      FLEXAI_TRY_ASSIGN(sched::Plan plan, sched::decide(still, sched::Explain::kNothing));
      if (plan.actions.empty()) break;
      still = sched::after(still, plan);
    }
    result_.longest_unrest = std::max(result_.longest_unrest, rounds);
    return {};
  }

  struct Now {
    std::vector<double> had, fair;
  };

  void measure(double now) {
    const size_t n = known().queues.size();
    std::vector<Claim> claims(n);
    std::vector<double> had(n), least(n, 1e9);
    std::map<std::string, size_t> index;
    for (size_t q = 0; q < n; ++q) {
      index[known().queues[q].name] = q;
      claims[q].weight = static_cast<double>(known().queues[q].deserved);
    }
    double used = 0, really = 0, remote = 0;
    for (const Workload& w : known().workloads) {
      const size_t q = index[w.queue];
      had[q] += held(w);
      used += held(w);
      really += std::min(held(w), wanted(w) * progress_[w.name].use);
      claims[q].demand += wanted(w);
      if (w.places.empty() && wanted(w) > 0) least[q] = std::min(least[q], wanted(w));
      if (!w.places.empty() && !w.places.front().card_node.empty()) remote += held(w);
    }
    const auto cards = static_cast<double>(result_.cards);
    result_.used += 100 * used / cards;
    result_.really_used += 100 * really / cards;
    result_.remote += 100 * remote / cards;
    ++samples_;
    watch_guarantees(had, least);
    window_.push_back({had, water_filling(claims, cards)});
    if (static_cast<double>(window_.size()) * o_.tick_s > kWindow) window_.pop_front();
    if (static_cast<double>(window_.size() + 1) * o_.tick_s > kWindow && samples_ % 20 == 0)
      close_window(now);
  }

  void watch_guarantees(const std::vector<double>& had, const std::vector<double>& least) {
    below_s_.resize(had.size());
    for (size_t q = 0; q < had.size(); ++q) {
      const double guarantee = static_cast<double>(known().queues[q].guarantee) / 1000;
      below_s_[q] = had[q] + least[q] <= guarantee ? below_s_[q] + o_.tick_s : 0;
      result_.longest_below_guarantee_s = std::max(result_.longest_below_guarantee_s, below_s_[q]);
    }
  }

  void close_window(double now) {
    double worst = 0;
    for (size_t q = 0; q < known().queues.size(); ++q) {
      double had = 0, fair = 0;
      for (const Now& at : window_) had += at.had[q], fair += at.fair[q];
      const double distance = 100 * std::abs(had - fair) / static_cast<double>(window_.size()) /
                              static_cast<double>(result_.cards);
      worst = std::max(worst, distance);
      if (distance <= result_.worst_distance) continue;
      result_.worst_distance = distance;
      result_.worst_queue = static_cast<int>(q);
      result_.worst_at_s = now;
    }
    result_.distance_by_window.push_back(worst);
  }

  void finish() {
    const auto samples = static_cast<double>(std::max<size_t>(1, samples_));
    result_.used /= samples;
    result_.really_used /= samples;
    for (double c : completions_)
      result_.completion_mean_s += c / static_cast<double>(completions_.size());
    result_.remote /= samples;
    result_.longest_exchange = loops_.longest_exchange();
    result_.returns = loops_.returns();
    result_.loops = loops_.found();
    result_.decide_mean_ms /= static_cast<double>(std::max<size_t>(1, result_.ticks));
    for (double d : result_.distance_by_window)
      result_.mean_distance += d / static_cast<double>(result_.distance_by_window.size());
    std::sort(waits_.begin(), waits_.end());
    for (double w : waits_) result_.wait_mean_s += w / static_cast<double>(waits_.size());
    if (!waits_.empty())
      result_.wait_p95_s =
          waits_[static_cast<size_t>(0.95 * static_cast<double>(waits_.size() - 1))];
    const double all = useful_ + wasted_ + acts_;
    if (all > 0) result_.wasted = 100 * wasted_ / all, result_.acts = 100 * acts_ / all;
  }

  const Trace& trace_;
  TenantOptions o_;
  Random random_;
  sched::Snapshot snapshot_;  // at the start
  std::unique_ptr<sched::Planner> planner_;
  sched::Delta delta_;  // of this tick
  std::vector<Task> tasks_;
  size_t next_ = 0, samples_ = 0;
  std::map<std::string, Progress> progress_;
  std::deque<Now> window_;
  std::vector<double> waits_, completions_, below_s_;
  double useful_ = 0, wasted_ = 0, acts_ = 0;  // card seconds
  Loops loops_;
  TenantResult result_;
};

}  // namespace

base::Result<TenantResult> run_tenants(const Trace& trace, const TenantOptions& options) {
  return Tenants(trace, options).run();
}

}  // namespace flexai::apps::sim
