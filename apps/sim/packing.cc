#include "apps/sim/packing.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "apps/sim/hi_packer.h"
#include "sched/node_order.h"

namespace flexai::apps::sim {
namespace {

using sched::Placement;
using sched::ShapeId;

class Run {
 public:
  Run(const Trace& trace, double part, uint64_t seed, bool own) : trace_(trace) {
    arrivals_ = arrange(trace, part, seed);
    if (own) reorder();
    for (uint32_t index : arrivals_.nodes) cluster_.add(trace.nodes[index].spec);
    for (const TraceTask& task : trace.tasks) ids_.push_back(shapes_.intern(task.shape));
    published_.build(published_mix(trace), static_cast<int>(trace.models.size()));
    fragments_of_.resize(cluster_.size());
    follow();
  }

  void go(const std::string& policy, const sched::Policy& constants, PackingResult* result) {
    const PackerInput input{cluster_, shapes_, published_, result->seed};
    std::unique_ptr<Packer> packer = make_published(policy, input);
    if (packer == nullptr) packer = make_kube(policy, &cluster_, &shapes_);
    if (packer == nullptr) packer = make_hi(policy, &cluster_, &shapes_, trace_, constants);
    result->arrived = arrivals_.tasks.size();
    for (uint32_t index : arrivals_.tasks) {
      const ShapeId id = ids_[index];
      arrived_ += shapes_[id].total_milli();
      const Placement at = packer->place(id);
      if (at.cpu_node != sched::kNone) {
        cluster_.take(shapes_[packer->charged(id)], at);
        packer->placed(id, at);
        ++result->placed;
      }
      refused_ = refused_ || at.cpu_node == sched::kNone;
      PackingResult::Sizes& size = result->sizes[shapes_[id].milli];
      size.arrived += shapes_[id].cards;
      if (!refused_) size.unrefused += shapes_[id].cards;
      follow();
      record(result);
    }
    finish(result);
    result->moves = packer->moves();
    result->remote = static_cast<double>(packer->remote_milli()) * 100 /
                     static_cast<double>(cluster_.card_milli());
  }

 private:
  // The published policies take the nodes in random order, hi in one of its own.
  void reorder() {
    std::vector<sched::NodeSpec> specs;
    for (uint32_t index : arrivals_.nodes) specs.push_back(trace_.nodes[index].spec);
    std::vector<uint32_t> ordered;
    for (uint32_t position : sched::node_order(specs)) ordered.push_back(arrivals_.nodes[position]);
    arrivals_.nodes = std::move(ordered);
  }

  // Keeps the sum of fragments true to what changed.
  void follow() {
    for (; followed_ < cluster_.changes(); ++followed_) {
      const sched::NodeId n = cluster_.changed(followed_);
      if (n == sched::kNone) continue;
      const double now = static_cast<double>(published_.of(cluster_[n])) / sched::Fragment::kOne;
      fragments_ += now - fragments_of_[n];
      fragments_of_[n] = now;
    }
  }

  // The last value with so much arrived counts for the allocation, the mean for the fragments.
  void record(PackingResult* result) {
    const auto all = static_cast<double>(cluster_.card_milli());
    const auto x = static_cast<size_t>(std::lround(static_cast<double>(arrived_) * 100 / all));
    if (x >= kPoints) return;
    result->allocated[x] = 100 - static_cast<double>(cluster_.idle_milli()) * 100 / all;
    result->fragmented[x] += fragments_ * 100 / all;
    ++samples_[x];
  }

  void finish(PackingResult* result) {
    for (size_t x = 0; x < kPoints; ++x) {
      if (samples_[x] > 0)
        result->fragmented[x] /= samples_[x];
      else if (x > 0)
        result->allocated[x] = result->allocated[x - 1],
        result->fragmented[x] = result->fragmented[x - 1];
    }
  }

  const Trace& trace_;
  Arrivals arrivals_;
  sched::Cluster cluster_;
  sched::ShapeTable shapes_;
  std::vector<ShapeId> ids_;
  sched::Fragment published_;
  double fragments_ = 0;
  std::vector<double> fragments_of_;
  uint64_t followed_ = 0;
  int64_t arrived_ = 0;
  bool refused_ = false;  // somebody found no room
  std::array<int, kPoints> samples_{};
};

}  // namespace

PackingResult run_packing(const Trace& trace, const std::string& list, const std::string& policy,
                          double part, uint64_t seed, const sched::Policy& constants) {
  PackingResult result;
  result.list = list;
  result.policy = policy;
  result.seed = seed;
  Run(trace, part, seed, policy.starts_with("hi")).go(policy, constants, &result);
  return result;
}

}  // namespace flexai::apps::sim
