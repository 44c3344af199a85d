// ActCosts: what it costs to do something to running work, as time during which its cards do
// nothing useful. An input of every decision, like rates: the values here are what the parts that
// exist promise (a resize) and assumptions for those that do not yet (copies at 5 GiB/s to the
// host, 1 GiB/s to another one); they are to be replaced by measured ones. A plain value.
#pragma once

#include <cstdint>

namespace flexai::model {

struct ActCost {
  int32_t fixed_ms = 0;
  int32_t per_gib_ms = 0;  // of card memory

  int64_t ms(int64_t memory_mib) const { return fixed_ms + memory_mib * per_gib_ms / 1024; }
  bool operator==(const ActCost&) const = default;
};

struct ActCosts {
  ActCost resize{20, 0};
  ActCost suspend{1000, 400};   // there and back
  ActCost migrate{2000, 1000};  // to another node
  ActCost restart{30000, 0};    // besides what it has done so far, which is lost

  bool operator==(const ActCosts&) const = default;
};

}  // namespace flexai::model
