#include "apps/sim/fairness.h"

#include <algorithm>
#include <numeric>

namespace flexai::apps::sim {

std::vector<double> water_filling(const std::vector<Claim>& claims, double capacity) {
  std::vector<double> shares(claims.size());
  std::vector<size_t> order(claims.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return claims[a].demand / claims[a].weight < claims[b].demand / claims[b].weight;
  });
  double weights = 0;
  for (const Claim& claim : claims) weights += claim.weight;
  for (size_t i : order) {
    shares[i] = std::min(claims[i].demand, capacity * claims[i].weight / weights);
    capacity -= shares[i];
    weights -= claims[i].weight;
  }
  return shares;
}

}  // namespace flexai::apps::sim
