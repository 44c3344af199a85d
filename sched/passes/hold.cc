#include "sched/passes/hold.h"

#include <algorithm>

#include "sched/explain.h"

namespace flexai::sched::passes {
namespace {

constexpr size_t kMostPart = 8;  // of the nodes one in so many

// Members that the node could hold if nothing else ran there.
uint32_t members_when_empty(const NodeSpec& spec, const Shape& shape) {
  int64_t most = kMaxCards * int64_t{kWholeCard};
  auto bound = [&most](int64_t has, int64_t each) {
    if (each > 0) most = std::min(most, has / each);
  };
  bound(spec.cpu_milli, shape.cpu_milli);
  bound(spec.memory_mib, shape.memory_mib);
  if (shape.cards > 0) bound(int64_t{spec.cards} * kWholeCard, shape.total_milli());
  return static_cast<uint32_t>(most);
}

// What is free there of what the demand is short of.
int64_t free_now(const NodeState& node, const Shape& shape) {
  if (shape.cards == 0) return node.cpu_free;
  return shape.cards == 1 ? node.most : node.whole;
}

}  // namespace

bool Holds::contended(QueueId queue) const {
  return std::any_of(claimants_.begin(), claimants_.end(), [&](QueueId other) {
    return other != queue && s_.queues->below_deserved(other);
  });
}

bool Holds::must_save(uint32_t job) const {
  const QueueId queue = s_.jobs[job].queue;
  if (reserved_[queue] == 0 || holds_for(job) || !contended(queue)) return false;
  Usage with = s_.usage_of(job);
  if (s_.queues->within(queue, with, Queues::Claim::kGuarantee)) return false;
  with.ncu += reserved_[queue];
  return !s_.queues->within(queue, with, Queues::Claim::kDeserved);
}

void Holds::hold(uint32_t job) {
  const size_t most = std::max<size_t>(1, s_.cluster.size() / kMostPart);
  if (held_ >= most || holds_for(job)) return;
  const QueueId queue = s_.jobs[job].queue;
  if (contended(queue) && (reserved_[queue] > 0 || !s_.queues->entitled(queue))) return;
  const model::Workload& w = *s_.jobs[job].work;
  const Shape& shape = s_.shapes[s_.jobs[job].shape];
  struct Candidate {
    int64_t free;
    int32_t idle;
    NodeId node;
  };
  std::vector<Candidate> candidates;
  for (NodeId n = 0; n < s_.cluster.size(); ++n)
    if (s_.cluster[n].open && fits_empty(s_, shape, n))
      candidates.push_back({free_now(s_.cluster[n], shape), s_.cluster[n].idle, n});
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    if (a.free != b.free) return a.free > b.free;
    return a.idle != b.idle ? a.idle > b.idle : a.node < b.node;
  });
  std::vector<NodeId> chosen;
  uint32_t members = 0;
  for (const Candidate& c : candidates) {
    if (members >= w.members) break;
    if (w.together && !chosen.empty() && s_.cluster[c.node].zone != s_.cluster[chosen[0]].zone)
      continue;
    chosen.push_back(c.node);
    members += w.apart ? 1 : members_when_empty(s_.cluster.spec(c.node), shape);
  }
  if (chosen.empty() || (held_ > 0 && held_ + chosen.size() > most)) return;
  held_ += chosen.size();
  nodes_[job] = std::move(chosen);
  const int64_t saved = s_.usage_of(job).ncu;
  saved_[job] = saved;
  reserved_[queue] += saved;
  s_.queues->reserve(queue, saved);
  close_for(job);
}

void Holds::set_open(uint32_t job, bool open) {
  s_.held.resize(s_.cluster.size());
  for (NodeId node : nodes_.at(job)) {
    s_.cluster.set_open(node, open);
    s_.held[node] = !open;
  }
}

void Holds::release(uint32_t job) {
  open_for(job);
  reserved_[s_.jobs[job].queue] -= saved_.at(job);
  s_.queues->reserve(s_.jobs[job].queue, -saved_.at(job));
  held_ -= nodes_.at(job).size();
  nodes_.erase(job);
}

}  // namespace flexai::sched::passes
