// Snapshot: everything a decision depends on, as plain values: no clock, no I/O. The same snapshot
// gives the same plan on every machine. Text form: sched/snapshot_json.h.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/fit.h"
#include "model/ncu.h"
#include "model/network.h"
#include "model/node.h"
#include "model/queue.h"
#include "model/workload.h"
#include "sched/policy.h"

namespace flexai::sched {

struct Snapshot {
  int64_t now_ms = 0;
  Policy policy;
  model::Network network;
  std::vector<model::NcuRate> rates;
  std::vector<model::Node> nodes;
  std::vector<model::Queue> queues;
  std::vector<model::Fit> fits;
  // The typical demand that was learnt, most frequent first; empty: what the workloads here ask
  // for.
  std::vector<model::DemandCount> mix;
  std::vector<model::Workload> workloads;
};

// kInvalid names the thing and the field: duplicate or unknown names, numbers out of range, cycles
// of queues, guarantees above their parent or the cluster, running work that overbooks a card.
base::Status validate(const Snapshot& snapshot);
// Of one workload, as far as it can be judged alone: neither names nor room.
base::Status validate(const model::Workload& work);
base::Status validate(const model::Fit& fit, size_t nodes);

}  // namespace flexai::sched
