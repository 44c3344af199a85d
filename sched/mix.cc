#include "sched/mix.h"

#include <algorithm>
#include <cmath>

namespace flexai::sched {

constexpr uint64_t kFadeAt = 1 << 16;   // then every count is halved
constexpr double kCovered = 0.95;       // as published with FGD
constexpr uint64_t kGrowPercent = 115;  // look again when so much of the last count has been seen
constexpr double kDrift = 0.04;         // part of the demand that must have changed
constexpr uint64_t kLookAtMost = 8192;  // and at least every so many arrivals

void Mix::add(ShapeId id) {
  if (id >= counts_.size()) counts_.resize(id + 1);
  ++counts_[id];
  if (++seen_ < kFadeAt) return;
  seen_ = 0;
  for (uint32_t& count : counts_) seen_ += count /= 2;
  next_ = seen_ + kLookAtMost;
}

// Half the sum of differences of the shares, 0..1.
double Mix::drift() const {
  if (base_seen_ == 0) return 1;
  double sum = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const double before = i < base_.size() ? base_[i] : 0;
    sum += std::abs(counts_[i] / static_cast<double>(seen_) -
                    before / static_cast<double>(base_seen_));
  }
  return sum / 2;
}

bool Mix::stale() {
  if (seen_ < next_) return false;
  if (drift() > kDrift) return true;
  next_ = std::min(seen_ * kGrowPercent / 100 + 1, seen_ + kLookAtMost);
  return false;
}

void Mix::restore(std::vector<uint32_t> counts) {
  counts_ = std::move(counts);
  seen_ = 0;
  for (uint32_t count : counts_) seen_ += count;
  next_ = seen_;
}

std::vector<TypicalDemand> Mix::target(const ShapeTable& shapes) {
  std::vector<ShapeId> order;
  for (ShapeId id = 0; id < counts_.size(); ++id)
    if (counts_[id] > 0) order.push_back(id);
  std::stable_sort(order.begin(), order.end(),
                   [this](ShapeId a, ShapeId b) { return counts_[a] > counts_[b]; });
  std::vector<TypicalDemand> mix;
  double covered = 0;
  for (ShapeId id : order) {
    if (covered >= kCovered * static_cast<double>(seen_)) break;
    mix.push_back({shapes[id], static_cast<double>(counts_[id])});
    covered += counts_[id];
  }
  next_ = std::min(seen_ * kGrowPercent / 100 + 1, seen_ + kLookAtMost);
  base_ = counts_;
  base_seen_ = seen_;
  return mix;
}

}  // namespace flexai::sched
