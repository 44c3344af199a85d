// Residents: who is on which node, so that a pass can find what to move or stop there. Kept beside
// a Cluster by whoever takes and gives room. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "sched/cluster.h"

namespace flexai::sched {

using ResidentId = uint32_t;

struct Resident {
  ShapeId shape = kNone;
  Placement at;
  uint32_t owner = kNone;  // workload, in the caller's numbers
  bool movable = true;
  bool present = false;
};

class Residents {
 public:
  ResidentId add(ShapeId shape, const Placement& at, uint32_t owner, bool movable = true);
  void remove(ResidentId id);
  void move(ResidentId id, const Placement& to);
  const Resident& operator[](ResidentId id) const { return all_[id]; }
  Resident& edit(ResidentId id) { return all_[id]; }
  // Of those with processor or cards there; in the order of arrival.
  const std::vector<ResidentId>& on(NodeId node) const;
  size_t size() const { return all_.size(); }

 private:
  void list(ResidentId id);
  void unlist(ResidentId id);

  std::vector<Resident> all_;
  std::vector<ResidentId> unused_;
  std::vector<std::vector<ResidentId>> on_;
};

}  // namespace flexai::sched
