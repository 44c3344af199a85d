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
  uint32_t member = 0;     // of the owner
  bool movable = true;
  bool present = false;
};

class Residents {
 public:
  ResidentId add(ShapeId shape, const Placement& at, uint32_t owner, uint32_t member,
                 bool movable = true);
  void remove(ResidentId id);
  void move(ResidentId id, const Placement& to);
  // Another owner or member number.
  void renumber(ResidentId id, uint32_t owner, uint32_t member);
  // For all at once. REQUIRES: the order of owners stays.
  void set_owner(ResidentId id, uint32_t owner) { all_[id].owner = owner; }
  const Resident& operator[](ResidentId id) const { return all_[id]; }
  Resident& edit(ResidentId id) { return all_[id]; }
  // Of those with processor or cards there; by owner, then member, whatever came first.
  const std::vector<ResidentId>& on(NodeId node) const;
  size_t size() const { return all_.size(); }

 private:
  void list(ResidentId id);
  void list_on(NodeId node, ResidentId id);
  void unlist(ResidentId id);

  std::vector<Resident> all_;
  std::vector<ResidentId> unused_;
  std::vector<std::vector<ResidentId>> on_;
};

}  // namespace flexai::sched
