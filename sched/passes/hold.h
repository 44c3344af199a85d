// Hold: nodes kept for a head, work that was passed over often enough. The nodes that could hold it
// when empty and have most free now take nothing else until it starts, so they run empty and it
// starts in the end; the rest of the cluster goes on. At most one node in eight is held, for the
// oldest heads. Which nodes is worked out anew in each plan; as nobody else goes there, a node that
// was held has most free the next time as well.
#pragma once

#include <map>
#include <vector>

#include "sched/session.h"

namespace flexai::sched::passes {

class Holds {
 public:
  explicit Holds(Session* session) : s_(*session) {}

  // Closes nodes for it, if there are any to be had.
  void hold(uint32_t job);
  bool holds_for(uint32_t job) const { return nodes_.count(job) != 0; }
  // While the head itself looks for room its nodes are open.
  void open_for(uint32_t job) { set_open(job, true); }
  void close_for(uint32_t job) { set_open(job, false); }
  void release(uint32_t job);

 private:
  void set_open(uint32_t job, bool open);

  Session& s_;
  std::map<uint32_t, std::vector<NodeId>> nodes_;
  size_t held_ = 0;
};

}  // namespace flexai::sched::passes
