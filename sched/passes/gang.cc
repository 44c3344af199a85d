#include "sched/passes/gang.h"

#include <algorithm>

namespace flexai::sched::passes {
namespace {

class Transaction {
 public:
  Transaction(Session* session, uint32_t job) : s_(*session), job_(job) {}

  // Members until one finds no room; returns how many were placed.
  uint32_t fill(ShapeId shape, bool local_only) {
    const model::Workload& w = *s_.jobs[job_].work;
    s_.jobs[job_].shape = shape;
    uint32_t placed = 0;
    while (s_.jobs[job_].members.size() < w.members) {
      const Choice c = local_only ? s_.placer->place_local(shape) : s_.placer->place(shape);
      // A rule that is switched off must not overbook anything.
      if (!c.found() || !s_.cluster.fits(s_.shapes[shape], c.at)) break;
      if (s_.policy.on(Rule::kQuota) && quota(shape, c.at) != Reason::kNone) break;
      s_.start_member(job_, c.at);
      ++placed;
      if (w.apart && s_.policy.on(Rule::kSpread)) close(c.at);
    }
    for (NodeId node : closed_) s_.cluster.set_open(node, true);
    closed_.clear();
    return placed;
  }

 private:
  Reason quota(ShapeId shape, const Placement& at) const {
    return s_.queues->allows(s_.jobs[job_].queue, s_.usage_of(shape, at));
  }
  void close(const Placement& at) {
    for (NodeId node : {at.cpu_node, at.card_node}) {
      if (!s_.cluster[node].open) continue;
      s_.cluster.set_open(node, false);
      closed_.push_back(node);
    }
  }

  Session& s_;
  uint32_t job_;
  std::vector<NodeId> closed_;
};

// The zones with room for one member, the cheapest first.
std::vector<uint64_t> zones_for(Session* s, ShapeId shape) {
  std::vector<std::pair<Cost, uint16_t>> found;
  s->placer->refresh();
  for (NodeId n = 0; n < s->cluster.size(); ++n) {
    const Cost cost = s->placer->cost_on(s->shapes[shape], n);
    if (cost != kInfeasible) found.emplace_back(cost, s->cluster[n].zone);
  }
  std::sort(found.begin(), found.end());
  std::vector<uint64_t> zones;
  for (const auto& [cost, zone] : found)
    if (std::find(zones.begin(), zones.end(), uint64_t{1} << zone) == zones.end())
      zones.push_back(uint64_t{1} << zone);
  return zones;
}

// Every way to choose the members, in the order in which they are tried.
std::vector<std::pair<ShapeId, bool>> ways(Session* s, uint32_t job) {
  const ShapeId own = s->jobs[job].shape;
  const model::Workload& w = *s->jobs[job].work;
  std::vector<std::pair<ShapeId, bool>> result;
  if (w.together && w.members > 1 && s->policy.on(Rule::kTopology)) {
    for (uint64_t zone : zones_for(s, own)) {
      Shape in_zone = s->shapes[own];
      in_zone.zones = zone;
      result.emplace_back(s->shapes.intern(in_zone), false);
    }
  } else {
    result.emplace_back(own, false);
    if (w.members > 1) result.emplace_back(own, true);
  }
  if (!s->policy.on(Pass::kGang) && result.size() > 1) result.resize(1);
  return result;
}

}  // namespace

bool place_gang(Session* s, uint32_t job) {
  const ShapeId own = s->jobs[job].shape;
  for (const auto& [shape, local_only] : ways(s, job)) {
    Transaction(s, job).fill(shape, local_only);
    Job& j = s->jobs[job];
    // Without the pass a part of the members starts, as schedulers without gangs do.
    const bool enough =
        s->policy.on(Pass::kGang) ? j.members.size() == j.work->members : !j.members.empty();
    if (enough) {
      j.state = model::WorkState::kRunning;
      return true;
    }
    s->stop(job);
    s->jobs[job].shape = own;
  }
  return false;
}

uint32_t members_that_fit(Session* s, uint32_t job) {
  const ShapeId own = s->jobs[job].shape;
  uint32_t most = 0;
  for (const auto& [shape, local_only] : ways(s, job)) {
    Transaction(s, job).fill(shape, local_only);
    most = std::max(most, static_cast<uint32_t>(s->jobs[job].members.size()));
    s->stop(job);
    s->jobs[job].shape = own;
  }
  return most;
}

}  // namespace flexai::sched::passes
