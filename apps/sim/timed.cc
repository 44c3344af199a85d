#include "apps/sim/timed.h"

#include <algorithm>
#include <deque>
#include <queue>
#include <set>

#include "apps/sim/arrivals.h"
#include "apps/sim/hi_packer.h"
#include "apps/sim/packer.h"
#include "sched/node_order.h"

namespace flexai::apps::sim {
namespace {

using sched::Placement;
using sched::ShapeId;

constexpr int64_t kLongestGap = 3600, kLongestTask = 14400;  // seconds
constexpr int kRounds = 12;                                  // of the whole list, one after another
constexpr double kWarmUp = 0.2;                              // of the arrivals, not measured

struct Arrival {
  double at = 0, seconds = 0;
  ShapeId shape = 0;
};

struct Running {
  double end = 0;
  size_t arrival = 0;
  Placement at;
  bool operator>(const Running& o) const {
    return end != o.end ? end > o.end : arrival > o.arrival;
  }
};

class Timed {
 public:
  Timed(const Trace& trace, const std::string& policy, double load, uint64_t seed) {
    result_.policy = policy;
    result_.load = load;
    std::vector<sched::NodeSpec> specs;
    for (const TraceNode& node : trace.nodes) specs.push_back(node.spec);
    if (policy.starts_with("hi")) {
      for (uint32_t i : sched::node_order(specs)) cluster_.add(specs[i]);
    } else {
      for (const sched::NodeSpec& spec : specs) cluster_.add(spec);
    }
    line_up(trace, load);
    published_.build(published_mix(trace), static_cast<int>(trace.models.size()));
    packer_ = make_published(policy, {cluster_, shapes_, published_, seed});
    if (packer_ == nullptr) packer_ = make_kube(policy, &cluster_, &shapes_);
    if (packer_ == nullptr) packer_ = make_hi(policy, &cluster_, &shapes_, trace);
  }

  TimedResult run() {
    size_t next = 0;
    while (next < arrivals_.size() || !running_.empty()) {
      const bool arrives =
          next < arrivals_.size() && (running_.empty() || arrivals_[next].at <= running_.top().end);
      advance(arrives ? arrivals_[next].at : running_.top().end);
      if (arrives) {
        if (!start(next)) wait(next);
        ++next;
      } else {
        leave();
        retry();
      }
    }
    finish();
    return result_;
  }

 private:
  void line_up(const Trace& trace, double load) {
    std::vector<const TraceTask*> tasks;
    for (const TraceTask& task : trace.tasks) tasks.push_back(&task);
    std::stable_sort(tasks.begin(), tasks.end(), [](const TraceTask* a, const TraceTask* b) {
      return a->created_s < b->created_s;
    });
    double at = 0, work = 0;
    const size_t once = tasks.size();
    for (size_t i = once; i < once * kRounds; ++i) tasks.push_back(tasks[i - once]);
    for (size_t i = 0; i < tasks.size(); ++i) {
      if (i > 0)
        at += static_cast<double>(
            std::clamp<int64_t>(tasks[i]->created_s - tasks[i - 1]->created_s, 0, kLongestGap));
      const auto seconds = static_cast<double>(
          std::clamp<int64_t>(tasks[i]->deleted_s - tasks[i]->created_s, 1, kLongestTask));
      arrivals_.push_back({at, seconds, shapes_.intern(tasks[i]->shape)});
      work += seconds * tasks[i]->shape.total_milli();
    }
    const double scale =
        work / (load * static_cast<double>(cluster_.card_milli()) * std::max(at, 1.0));
    for (Arrival& a : arrivals_) a.at *= scale;
  }

  bool measured() const {
    return now_ >= arrivals_.back().at * kWarmUp && now_ <= arrivals_.back().at;
  }

  void advance(double to) {
    if (measured()) {
      const double all = static_cast<double>(cluster_.card_milli()), passed = to - now_;
      blocked_ += passed * (1 - static_cast<double>(cluster_.idle_milli()) / all);
      asked_ += passed * static_cast<double>(asked_milli_) / all;
      remote_ += passed * static_cast<double>(packer_->remote_milli()) / all;
      span_ += passed;
    }
    now_ = to;
  }

  bool start(size_t i) {
    const Arrival& a = arrivals_[i];
    const Placement at = packer_->place(a.shape);
    if (at.cpu_node == sched::kNone) return false;
    cluster_.take(shapes_[packer_->charged(a.shape)], at);
    packer_->placed(a.shape, at);
    asked_milli_ += shapes_[a.shape].total_milli();
    running_.push({now_ + a.seconds, i, at});
    waits_.push_back(now_ - a.at);
    completions_ += now_ - a.at + a.seconds;
    return true;
  }

  void leave() {
    const Running r = running_.top();
    running_.pop();
    const ShapeId shape = arrivals_[r.arrival].shape;
    cluster_.give(shapes_[packer_->charged(shape)], r.at);
    packer_->left(shape, r.at);
    asked_milli_ -= shapes_[shape].total_milli();
    result_.makespan_s = now_;
  }

  void wait(size_t arrival) {
    const ShapeId shape = arrivals_[arrival].shape;
    if (shape >= waiting_.size()) waiting_.resize(shape + 1);
    if (waiting_[shape].empty()) heads_.emplace(arrival, shape);
    waiting_[shape].push_back(arrival);
  }

  // In order of arrival; of equal tasks only the first can be the first to fit.
  void retry() {
    for (auto at = heads_.begin(); at != heads_.end();) {
      const auto [arrival, shape] = *at;
      if (!start(arrival)) {
        ++at;
        continue;
      }
      heads_.erase(at);
      waiting_[shape].pop_front();
      if (!waiting_[shape].empty()) heads_.emplace(waiting_[shape].front(), shape);
      at = heads_.lower_bound({arrival, 0});
    }
  }

  void finish() {
    result_.tasks = arrivals_.size();
    for (const auto& line : waiting_) result_.never_placed += line.size();
    std::sort(waits_.begin(), waits_.end());
    for (double w : waits_) result_.wait_mean_s += w / static_cast<double>(waits_.size());
    result_.wait_p95_s = waits_[static_cast<size_t>(0.95 * static_cast<double>(waits_.size() - 1))];
    result_.completion_mean_s = completions_ / static_cast<double>(waits_.size());
    for (const Arrival& a : arrivals_)
      result_.completion_least_s += a.seconds / static_cast<double>(arrivals_.size());
    result_.blocked = 100 * blocked_ / span_;
    result_.asked = 100 * asked_ / span_;
    result_.remote = 100 * remote_ / span_;
  }

  sched::Cluster cluster_;
  sched::ShapeTable shapes_;
  sched::Fragment published_;
  std::unique_ptr<Packer> packer_;
  std::vector<Arrival> arrivals_;
  std::vector<std::deque<size_t>> waiting_;     // by shape
  std::set<std::pair<size_t, ShapeId>> heads_;  // of each line that is not empty
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running_;
  std::vector<double> waits_;
  double now_ = 0, blocked_ = 0, asked_ = 0, remote_ = 0, span_ = 0, completions_ = 0;
  int64_t asked_milli_ = 0;
  TimedResult result_;
};

}  // namespace

TimedResult run_timed(const Trace& trace, const std::string& policy, double load, uint64_t seed) {
  return Timed(trace, policy, load, seed).run();
}

}  // namespace flexai::apps::sim
