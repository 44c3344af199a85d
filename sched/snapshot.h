// Snapshot: everything a decision depends on, as plain values: no clock, no I/O. The same snapshot
// gives the same plan on every machine. Text form: sched/snapshot_json.h.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/ncu.h"
#include "model/node.h"
#include "model/queue.h"
#include "model/workload.h"
#include "sched/policy.h"

namespace flexai::sched {

struct Snapshot {
  int64_t now_ms = 0;
  Policy policy;
  std::vector<model::NcuRate> rates;
  std::vector<model::Node> nodes;
  std::vector<model::Queue> queues;
  std::vector<model::Workload> workloads;
};

// kInvalid names the thing and the field: duplicate or unknown names, numbers out of range, cycles
// of queues, guarantees above their parent or the cluster, running work that overbooks a card.
base::Status validate(const Snapshot& snapshot);

}  // namespace flexai::sched
