#include "model/network.h"

#include <algorithm>

namespace flexai::model {

constexpr int64_t kMostCost = 100'000;

int32_t lost_milli(const Demand& demand, const NetworkTier& tier) {
  const int64_t waiting = int64_t{demand.remote_calls} * tier.round_trip_us / 1000;
  const int64_t moved = int64_t{demand.network_mbps} * demand.cards;
  const int64_t bytes = tier.mbps > 0 ? moved * 1000 / tier.mbps : 0;
  return static_cast<int32_t>(std::clamp<int64_t>(waiting + bytes, 0, 1000));
}

int32_t remote_cost_milli(const Demand& demand, const NetworkTier& tier) {
  const int64_t held = int64_t{demand.card_milli} * demand.cards;
  return static_cast<int32_t>(
      std::min(kMostCost, demand.remote_penalty + held * lost_milli(demand, tier) / 1000));
}

}  // namespace flexai::model
