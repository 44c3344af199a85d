// Mix: the typical demand, learnt from what arrived. Counts fade, so that old demand is forgotten;
// the most frequent shapes that make up 95 % are the target of the fragment rule. Deterministic.
#pragma once

#include <cstdint>
#include <vector>

#include "sched/fragment.h"

namespace flexai::sched {

class Mix {
 public:
  void add(ShapeId id);
  // True when the arrivals since the last target() are many and different enough for a new one: a
  // new target makes every table fill itself anew.
  bool stale();
  std::vector<TypicalDemand> target(const ShapeTable& shapes);
  const std::vector<uint32_t>& counts() const { return counts_; }
  void restore(std::vector<uint32_t> counts);

 private:
  std::vector<uint32_t> counts_;  // by shape, faded
  uint64_t seen_ = 0;             // sum of counts_
  uint64_t next_ = 1;             // of seen_ at which to look again
  std::vector<uint32_t> base_;    // counts_ at the last target()
  uint64_t base_seen_ = 0;

  double drift() const;
};

}  // namespace flexai::sched
