#include "sched/node_order.h"

#include <algorithm>
#include <numeric>

namespace flexai::sched {

std::vector<uint32_t> node_order(const std::vector<NodeSpec>& specs) {
  std::vector<uint32_t> order(specs.size());
  std::iota(order.begin(), order.end(), 0);
  uint8_t most = 0;
  for (const NodeSpec& spec : specs) most = std::max(most, spec.cards);
  std::stable_partition(order.begin(), order.end(),
                        [&](uint32_t i) { return specs[i].cards < most; });
  return order;
}

}  // namespace flexai::sched
