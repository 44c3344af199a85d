#include "model/act_cost.h"

#include <algorithm>
#include <cmath>

namespace flexai::model {
namespace {

constexpr size_t kEnough = 8;
constexpr double kMostFixed = 1e8, kMostPerGib = 1e6;  // as a snapshot may say

int32_t rounded(double value, double most) {
  return static_cast<int32_t>(std::lround(std::clamp(value, 0.0, most)));
}

}  // namespace

ActCost refined(const ActCost& usual, const std::vector<ActSample>& samples) {
  if (samples.size() < kEnough) return usual;
  const auto n = static_cast<double>(samples.size());
  double x = 0, y = 0;
  for (const ActSample& s : samples) {
    x += static_cast<double>(s.memory_mib) / 1024;
    y += static_cast<double>(s.ms);
  }
  x /= n;
  y /= n;
  double xx = 0, xy = 0;
  for (const ActSample& s : samples) {
    const double dx = static_cast<double>(s.memory_mib) / 1024 - x;
    xx += dx * dx;
    xy += dx * (static_cast<double>(s.ms) - y);
  }
  const double slope = xx > 0 ? std::max(0.0, xy / xx) : usual.per_gib_ms;
  const double at_zero = y - slope * x;
  // A line that would start below nothing goes through nothing.
  const double steep = at_zero < 0 && x > 0 ? y / x : slope;
  return {rounded(at_zero, kMostFixed), rounded(steep, kMostPerGib)};
}

}  // namespace flexai::model
