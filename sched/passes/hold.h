// Hold: nodes kept for a head, work that was passed over often enough. The nodes that could hold it
// when empty and have most free now take nothing else until it starts, so they run empty and it
// starts in the end; the rest of the cluster goes on. At most one node in eight is held, for the
// oldest heads. Which nodes is worked out anew in each plan; as nobody else goes there, a node that
// was held has most free the next time as well.
//
// While another queue waits for what it deserves, a queue has nodes held for one head, and only as
// long as it does not use more than it deserves itself; what is held counts as its own when it is
// asked whose turn it is, and its later work does not use up the part that the head needs. So a
// queue with many old heads does not get more than its part by them, and still gets each in turn.
#pragma once

#include <map>
#include <vector>

#include "sched/session.h"

namespace flexai::sched::passes {

class Holds {
 public:
  // `claimants`: queues with work that waits and is stopped by no quota of its own.
  Holds(Session* session, std::vector<QueueId> claimants)
      : s_(*session), claimants_(std::move(claimants)), reserved_(s_.queues->root() + 1) {}

  // Closes nodes for it, if there are any to be had.
  void hold(uint32_t job);
  bool any() const { return !nodes_.empty(); }
  // Whether this job would use what its queue saves for a head while others wait for their part.
  bool must_save(uint32_t job) const;
  bool holds_for(uint32_t job) const { return nodes_.count(job) != 0; }
  // While the head itself looks for room its nodes are open.
  void open_for(uint32_t job) { set_open(job, true); }
  void close_for(uint32_t job) { set_open(job, false); }
  void release(uint32_t job);
  // A guarantee goes before what is held.
  void open_all() {
    for (const auto& [job, nodes] : nodes_) open_for(job);
  }
  void close_all() {
    for (const auto& [job, nodes] : nodes_) close_for(job);
  }

 private:
  void set_open(uint32_t job, bool open);
  bool contended(QueueId queue) const;

  Session& s_;
  std::vector<QueueId> claimants_;
  std::vector<int64_t> reserved_;      // milli-NCU, by queue
  std::map<uint32_t, int64_t> saved_;  // of it, by head
  std::map<uint32_t, std::vector<NodeId>> nodes_;
  size_t held_ = 0;
};

}  // namespace flexai::sched::passes
