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
  one_level_ = holes == Holes::kByWorth;
  if (one_level_) milli_thresholds_.clear();
  for (int r = 0; one_level_ && r <= kWholeCard; ++r) level_[r] = 0;
  width_ = kHoles + milli_thresholds_.size() + 1;
  rows_.assign(static_cast<size_t>(models) * cpu_thresholds_.size() * width_, 0);
  for (const TypicalDemand& d : mix)
    add(d, static_cast<int32_t>(d.weight / total * static_cast<double>(kOne)), stranded_milli);
  for (int r = 0; r <= kWholeCard; ++r) short_[r] = static_cast<int16_t>(r);
  if (one_level_) count_by_worth(mix);
}

void Fragment::count_by_worth(const std::vector<TypicalDemand>& mix) {
  std::vector<SizeRate> demand;
  for (const TypicalDemand& d : mix)
    if (d.shape.cards > 0) demand.push_back({d.shape.milli, d.weight * d.shape.cards});
  const auto worth = worth_of_holes(demand);
  for (int r = 0; r <= kWholeCard; ++r)
    short_[r] = static_cast<int16_t>(r - worth[static_cast<size_t>(r)]);
}

void Fragment::add(const TypicalDemand& demand, int32_t weight, int stranded_milli) {
  const Shape& s = demand.shape;
  const size_t cpu_level = index_of(cpu_thresholds_, s.cpu_milli);
  const size_t milli_level = index_of(milli_thresholds_, s.milli);
  for (int model = 0; model < models_; ++model) {
    for (size_t k = 0; k < cpu_thresholds_.size(); ++k) {
      int32_t* row = &rows_[(static_cast<size_t>(model) * cpu_thresholds_.size() + k) * width_];
      int32_t fits = weight;
      if (s.cards == 0 || (s.models >> model & 1) == 0)
        fits = 0;
      else if (k <= cpu_level)
        fits = s.reach == Reach::kLocal
                   ? 0
                   : static_cast<int32_t>(int64_t{weight} * (1000 - stranded_milli) / 1000);
      row[0] += weight - fits;
      if (s.cards == 1)
        for (size_t level = 0; level <= milli_level; ++level) row[kHoles + level] += fits;
      if (s.cards > 1) {
        row[0] += fits;
        for (int whole = s.cards; whole <= kMaxCards; ++whole) row[1 + whole] += fits;
      }
    }
  }
}

Fragment::Row Fragment::row(int model, int32_t cpu) const {
  const int bucket = std::clamp(cpu >> kCpuShift, 0, 255);
  size_t k = cpu_level_[bucket];
  while (cpu_thresholds_[k] <= cpu) ++k;
  return Row(&rows_[(static_cast<size_t>(model) * cpu_thresholds_.size() + k) * width_]);
}

int32_t Fragment::shorts(const NodeState& node) const {
  int32_t sum = 0;
  for (int i = 0; i < node.cards; ++i) sum += short_[node.free[i]];
  return sum;
}

int32_t Fragment::lost(Row row, const NodeState& node, int32_t shorts) const {
  if (one_level_) return shorts * row.hole(0);
  int32_t sum = 0;
  for (int i = 0; i < node.cards; ++i) sum += lost(row, node.free[i]);
  return sum;
}

int32_t Fragment::of(const NodeState& node, Row row) const {
  return node.idle * row.always() - node.whole * kWholeCard * row.gang(node.whole) +
         lost(row, node, one_level_ ? shorts(node) : 0);
}

Fragment::Choice Fragment::best(const Shape& shape, const NodeState& node, const int32_t* memory,
                                const Known& before) const {
  const Row after = row(node.model, node.cpu_free - shape.cpu_milli);
  if (shape.cards == 0)
    return {node.idle * after.always() - node.whole * kWholeCard * after.gang(node.whole) +
                lost(after, node, before.shorts) - before.fragments,
            -1};
  const int64_t elsewhere = lost(after, node, before.shorts) - before.fragments +
                            (node.idle - shape.total_milli()) * after.always();
  if (shape.cards == 1) return on_best_card(shape, node, memory, after, elsewhere);
  const int left = node.whole - shape.cards;
  if (left < 0) return {};
  return {elsewhere - shape.cards * lost(after, kWholeCard) - left * kWholeCard * after.gang(left),
          -1};
}

// `elsewhere`: the change but for the card's own hole and the whole cards.
Fragment::Choice Fragment::on_best_card(const Shape& shape, const NodeState& node,
                                        const int32_t* memory, Row after, int64_t elsewhere) const {
  const int32_t whole[] = {
      node.whole * kWholeCard * after.gang(node.whole),
      node.whole > 0 ? (node.whole - 1) * kWholeCard * after.gang(node.whole - 1) : 0};
  Choice best;
  int previous = -1;
  for (int i = 0; i < node.cards; ++i) {
    const int free = node.free[i];
    if (free < shape.milli || free == previous || memory[i] < shape.card_memory_mib) continue;
    previous = free;
    const int64_t change =
        elsewhere - lost(after, free) + lost(after, free - shape.milli) - whole[free == kWholeCard];
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
