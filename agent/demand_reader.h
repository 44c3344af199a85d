// DemandReader: what the processes of one slice want, summed for the arbiter. Reads TenantPages, of
// which every byte is hostile: only slots that have an owner count, values are clamped, use only
// grows. Threads: one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "limit/arbiter.h"
#include "limit/layout.h"

namespace flexai::agent {

class DemandReader {
 public:
  // `pages` outlives it. `silent`: a process without a beat for that long is as if it were not
  // there. What was used before this agent's time was accounted for by another. Slots without an
  // owner are never touched.
  DemandReader(const limit::TenantPages* pages, base::Nanos silent, base::Nanos now);

  // Looks for owners again; needed after a process came.
  void find_owners();
  limit::Demand read(base::Nanos now);
  // Whether at the last read() any process waited or worked, silent ones included: one that is
  // continued after a stop does not ring again.
  bool stirring() const { return stirring_; }
  // Whether it has processes, as of the last find_owners().
  bool attached() const { return !seen_.empty(); }
  // Slots from here on have had no owner that this reader saw.
  uint32_t reach() const { return static_cast<uint32_t>(left_.size()); }

 private:
  struct Seen {
    uint32_t slot;
    uint64_t owner;
    base::Nanos busy;  // what has been counted so far
    base::Nanos active_since;
    bool active;
  };
  void read_slot(Seen* seen, base::Nanos now, limit::Demand* demand);

  const limit::TenantPages* pages_;
  base::Nanos silent_;
  base::Nanos busy_total_ = 0;
  bool stirring_ = false;
  std::vector<Seen> seen_;         // of slots with an owner, in order
  std::vector<base::Nanos> left_;  // busy counted of slots that lost their owner, by slot; -1 none
};

}  // namespace flexai::agent
