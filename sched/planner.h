// Planner: a session that lives on between plans. Facts come as deltas, so a plan costs what has
// changed and what waits, not the size of the cluster. What it knows is a snapshot at any time, and
// decide() of that snapshot gives the same plan, bit for bit: nothing that a plan depends on is
// kept anywhere else. Numbers are given so that they do not depend on history: workloads by their
// position in the snapshot, residents of a node by workload and member; the typical demand, which
// is learnt from what arrives, is part of the snapshot.
//
// Changes of nodes, queues, rates, the network or the policy open the session anew: they are rare.
// Whether a node takes work, and all that is said of workloads, is not.
//
// Pure like decide(); not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sched/decide.h"
#include "sched/session.h"

namespace flexai::sched {

struct Delta {
  struct Use {
    std::string workload;
    int32_t observed_milli = -1;
  };
  struct Gate {
    std::string node;
    bool open = true;
  };
  int64_t now_ms = 0;
  std::vector<std::string> gone;           // workloads that ended or were taken back
  std::vector<model::Workload> workloads;  // new ones, and what is true now of known ones
  std::vector<Use> used;
  std::vector<Gate> gates;
  std::vector<model::Fit> fits;  // new ones, and what is true now of known ones
  // What is there replaces all that was known of it.
  std::optional<std::vector<model::Node>> nodes;  // then `fits` are all there are
  std::optional<std::vector<model::Queue>> queues;
  std::optional<std::vector<model::NcuRate>> rates;
  std::optional<model::Network> network;
  std::optional<Policy> policy;
};

class Planner {
 public:
  static base::Result<std::unique_ptr<Planner>> open(Snapshot snapshot);

  // All or nothing: what is not sound is refused as validate() would, and nothing has changed.
  base::Status apply(Delta delta);
  // What to do. Nothing is taken as done until carry_out() says so.
  Plan decide(Explain explain = Explain::kAll);
  // As after() does; of the last plan, before any other delta.
  void carry_out(const Plan& plan);

  const Snapshot& snapshot() const { return known_; }
  // How often the session was opened anew; for tests and figures.
  size_t openings() const { return openings_; }

 private:
  explicit Planner(Snapshot snapshot) : known_(std::move(snapshot)) {}

  void reopen();
  void sync();
  void refer();
  void say_mix();
  base::Status check(const Delta& delta) const;
  base::Status change_structure(const Delta& delta);
  base::Status put(Delta* delta);
  void put_fits(const std::vector<model::Fit>& fits);
  base::Status start(uint32_t job);
  bool has_room(uint32_t job);
  void remove(const std::vector<uint32_t>& sorted);

  Snapshot known_;
  std::unique_ptr<Session> session_;
  std::unordered_map<std::string, uint32_t> position_;  // of workloads, by name
  std::unordered_map<std::string, uint32_t> node_position_;
  std::unordered_map<std::string, uint32_t> fit_position_;
  std::vector<uint32_t> decided_;  // jobs that the last plan did something to
  uint64_t renewals_ = 0;
  size_t openings_ = 0;
};

}  // namespace flexai::sched
