#include "sched/fragment.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "sched/worth.h"

namespace flexai::sched {
namespace {

// Sorted and distinct; when there are more than `most`, evenly many are left, the largest always.
template <typename T>
std::vector<T> thresholds(std::vector<T> values, size_t most) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() <= most) return values;
  std::vector<T> kept;
  for (size_t i = 1; i <= most; ++i) kept.push_back(values[i * values.size() / most - 1]);
  return kept;
}

// The first threshold that is not below the value; there is one for every value of the mix.
template <typename T>
size_t index_of(const std::vector<T>& sorted, T value) {
  return static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), value) -
                             sorted.begin());
}

}  // namespace

void Fragment::build(const std::vector<TypicalDemand>& mix, int models, int stranded_milli,
                     Holes holes) {
  double total = 0;
  std::vector<int32_t> cpus;
  std::vector<int16_t> millis;
  for (const TypicalDemand& d : mix) {
    total += d.weight;
    if (d.shape.cards == 0) continue;
    cpus.push_back(d.shape.cpu_milli);
    if (d.shape.cards == 1) millis.push_back(d.shape.milli);
  }
  assert(total > 0);
  models_ = models;
  cpu_thresholds_ = thresholds(std::move(cpus), kMaxRows - 1);
  cpu_thresholds_.push_back(std::numeric_limits<int32_t>::max());
  for (int bucket = 0; bucket < 256; ++bucket) {
    size_t k = 0;
    while (cpu_thresholds_[k] <= bucket << kCpuShift) ++k;
    cpu_level_[bucket] = static_cast<uint8_t>(k);
  }
  milli_thresholds_ = thresholds(std::move(millis), kMaxLevels);
  for (int r = 0; r <= kWholeCard; ++r)
    level_[r] = static_cast<uint8_t>(
        std::upper_bound(milli_thresholds_.begin(), milli_thresholds_.end(), r) -
        milli_thresholds_.begin());
  rows_.assign(static_cast<size_t>(models) * cpu_thresholds_.size(), Row{});
  for (const TypicalDemand& d : mix)
    add(d, static_cast<int32_t>(d.weight / total * static_cast<double>(kOne)), stranded_milli);
  for (int r = 0; r <= kWholeCard; ++r) short_[r] = static_cast<int16_t>(r);
  if (holes == Holes::kByWorth) count_by_worth(mix);
}

void Fragment::count_by_worth(const std::vector<TypicalDemand>& mix) {
  std::vector<SizeRate> demand;
  for (const TypicalDemand& d : mix)
    if (d.shape.cards > 0) demand.push_back({d.shape.milli, d.weight * d.shape.cards});
  const auto worth = worth_of_holes(demand);
  for (int r = 0; r <= kWholeCard; ++r) {
    short_[r] = static_cast<int16_t>(r - worth[static_cast<size_t>(r)]);
    level_[r] = 0;  // every demand of one card counts, whatever its size
  }
}

void Fragment::add(const TypicalDemand& demand, int32_t weight, int stranded_milli) {
  const Shape& s = demand.shape;
  const size_t cpu_level = index_of(cpu_thresholds_, s.cpu_milli);
  const size_t milli_level = index_of(milli_thresholds_, s.milli);
  for (int model = 0; model < models_; ++model) {
    for (size_t k = 0; k < cpu_thresholds_.size(); ++k) {
      Row& row = rows_[static_cast<size_t>(model) * cpu_thresholds_.size() + k];
      int32_t fits = weight;
      if (s.cards == 0 || (s.models >> model & 1) == 0)
        fits = 0;
      else if (k <= cpu_level)
        fits = s.reach == Reach::kLocal
                   ? 0
                   : static_cast<int32_t>(int64_t{weight} * (1000 - stranded_milli) / 1000);
      row.always += weight - fits;
      if (s.cards == 1)
        for (size_t level = 0; level <= milli_level; ++level) row.hole[level] += fits;
      if (s.cards > 1) {
        row.always += fits;
        for (int whole = s.cards; whole <= kMaxCards; ++whole) row.gang[whole] += fits;
      }
    }
  }
}

const Fragment::Row& Fragment::row(int model, int32_t cpu) const {
  const int bucket = std::clamp(cpu >> kCpuShift, 0, 255);
  size_t k = cpu_level_[bucket];
  while (cpu_thresholds_[k] <= cpu) ++k;
  return rows_[static_cast<size_t>(model) * cpu_thresholds_.size() + k];
}

int32_t Fragment::of(const NodeState& node, const Row& row) const {
  int32_t sum = node.idle * row.always - node.whole * kWholeCard * row.gang[node.whole];
  for (int i = 0; i < node.cards; ++i) sum += lost(row, node.free[i]);
  return sum;
}

Fragment::Choice Fragment::best(const Shape& shape, const NodeState& node, const int32_t* memory,
                                int64_t before) const {
  const Row& after = row(node.model, node.cpu_free - shape.cpu_milli);
  if (shape.cards == 0) return {of(node, after) - before, -1};
  const int32_t whole_milli = lost(after, kWholeCard);
  int32_t holes = 0;
  for (int i = 0; i < node.cards; ++i) holes += lost(after, node.free[i]);
  const int32_t rest = (node.idle - shape.total_milli()) * after.always;
  auto gangs = [&after](int whole) { return whole * kWholeCard * after.gang[whole]; };
  if (shape.cards > 1 && node.whole < shape.cards) return {};
  if (shape.cards > 1)
    return {holes - shape.cards * whole_milli + rest - gangs(node.whole - shape.cards) - before,
            -1};
  Choice best;
  int previous = -1;
  for (int i = 0; i < node.cards; ++i) {
    const int free = node.free[i];
    if (free < shape.milli || free == previous || memory[i] < shape.card_memory_mib) continue;
    previous = free;
    const int left = free - shape.milli;
    const int64_t change = holes - lost(after, free) + lost(after, left) + rest -
                           gangs(node.whole - (free == kWholeCard)) - before;
    // Of equal harm the fuller card.
    if (best.card < 0 || change < best.change ||
        (change == best.change && free < node.free[best.card]))
      best = {change, i};
  }
  return best;
}

int64_t Fragment::change_on(const Shape& shape, const NodeState& node, int card) const {
  NodeState after = node;
  after.cpu_free -= shape.cpu_milli;
  after.whole = static_cast<uint8_t>(after.whole - (node.free[card] == kWholeCard));
  after.idle -= shape.milli;
  after.free[card] = static_cast<int16_t>(node.free[card] - shape.milli);
  return of(after) - of(node);
}

}  // namespace flexai::sched
