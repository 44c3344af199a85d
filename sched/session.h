// Session: one snapshot opened for deciding: names become numbers, running work takes its room.
// The passes (sched/passes/) work on it in turn and write the plan. Not thread-safe; refers to the
// snapshot, which must outlive it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sched/placer.h"
#include "sched/plan.h"
#include "sched/queues.h"
#include "sched/residents.h"
#include "sched/snapshot.h"

namespace flexai::sched {

struct Job {
  const model::Workload* work = nullptr;
  QueueId queue = 0;
  ShapeId shape = kNone;  // as it runs now: shrunk work has a smaller one
  model::WorkState state = model::WorkState::kPending;
  bool shares = false;   // has given up its guarantee
  bool touched = false;  // something was done to it in this plan already
  std::vector<ResidentId> members;
};

struct Session {
  explicit Session(const Snapshot& of);  // REQUIRES: validate(of).ok()
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Snapshot& snapshot;
  Policy policy;
  std::vector<std::string> models;
  std::vector<int32_t> ncu_of_model;
  std::vector<uint32_t> node_index;  // of snapshot.nodes, by NodeId
  Cluster cluster;
  ShapeTable shapes;
  std::unique_ptr<Placer> placer;
  std::unique_ptr<Queues> queues;
  Residents residents;
  std::vector<Job> jobs;  // by position in snapshot.workloads
  int64_t remote_milli = 0;
  std::vector<bool> held;  // nodes that are closed for a head (sched/passes/hold.h)
  Plan plan;

  // What members of this shape at this place cost the queue.
  Usage usage_of(ShapeId shape, const Placement& at) const;
  void start_member(uint32_t job, const Placement& at);
  void stop_member(uint32_t job, size_t member);  // gives its room back
  void stop(uint32_t job);                        // all members
  void move_member(uint32_t job, size_t member, const Placement& to);
  // Running members get the share `milli` instead; there must be room when it grows.
  void resize(uint32_t job, int32_t milli);
  // Of what ran in the queue when it was first asked for. What starts later in the plan is touched
  // and no victim.
  int32_t lowest_priority(QueueId queue);
  bool settled(const model::Workload& work) const;
  bool may_move(const model::Workload& work) const;  // to another node, while it runs
  model::MemberPlace place_name(const Placement& at) const;
  ShapeId shape_with(ShapeId of, int32_t milli);

 private:
  std::vector<int32_t> lowest_;  // by queue
};

}  // namespace flexai::sched
