// ActCosts: what it costs to do something to running work, as time during which its cards do
// nothing useful. An input of every decision, like rates: data of the policy, replaced by what is
// measured (refined()). The values here are what the parts that exist promise (a resize) and
// assumptions for those that do not yet (copies at 5 GiB/s to the host, 1 GiB/s to another one).
// Plain values.
#pragma once

#include <cstdint>
#include <vector>

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

// One act that was carried out: how long the cards did nothing useful.
struct ActSample {
  int64_t memory_mib = 0;
  int64_t ms = 0;
};

// The line through the samples (least squares), neither part below 0; `usual` when there are fewer
// than eight. Of samples of one size only the fixed part is learnt.
ActCost refined(const ActCost& usual, const std::vector<ActSample>& samples);

}  // namespace flexai::model
