// Session: one snapshot opened for deciding: names become numbers, running work takes its room.
// The passes (sched/passes/) work on it in turn and write the plan. Not thread-safe; refers to the
// snapshot, which must outlive it. sched/planner.h keeps one between plans.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sched/dictionary.h"
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
  Dictionary names;
  std::vector<std::string> models;
  std::vector<NodeId> id_of;         // by position in snapshot.nodes
  std::vector<uint32_t> node_index;  // of snapshot.nodes, by NodeId
  Cluster cluster;
  ShapeTable shapes;
  std::map<ShapeId, model::Demand> asked;  // a demand of each shape that workloads have
  std::unique_ptr<Placer> placer;
  std::unique_ptr<Queues> queues;
  Residents residents;
  std::vector<Job> jobs;  // by position in snapshot.workloads
  int64_t remote_milli = 0;
  std::vector<bool> held;  // nodes that are closed for a head (sched/passes/hold.h)
  Plan plan;

  // What is needed to say anything about a workload; without members yet.
  Job job_of(const model::Workload& work);
  Shape shape_of(const model::Demand& demand);
  ShapeId intern(const model::Demand& demand);  // remembers who asks so, in `asked`
  // Replaces what was known of it, if anything was. REQUIRES: a word for each node.
  void use(const model::Fit& fit);
  // REQUIRES: names its nodes know, and cards below kMaxCards.
  Placement placement_of(const model::MemberPlace& place);
  int32_t ncu(size_t model, uint8_t kind) const { return ncu_[kind * models.size() + model]; }

  // What members of this shape at this place cost the queue.
  Usage usage_of(ShapeId shape, const Placement& at) const;
  // NCU that all members of a job hold, or would hold on the strongest cards that will do.
  Usage usage_of(uint32_t job) const;
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
  // As when it was opened, but for what has been started and stopped since: the next plan begins.
  void begin_plan();

 private:
  void open_nodes();
  void open_rates(std::vector<int>* scarcity);
  void open_mix();

  std::vector<int32_t> ncu_;     // by kind of work, then model
  std::vector<int32_t> lowest_;  // by queue
};

}  // namespace flexai::sched
