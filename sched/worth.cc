#include "sched/worth.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace flexai::sched {
namespace {

constexpr int kMostSteps = 600;  // of the simplex method; what it has by then will do
constexpr double kTiny = 1e-9;

// Revised simplex over patterns, with the inverse of the basis kept whole: there are few sizes.
class CuttingStock {
 public:
  CuttingStock(std::vector<int> sizes, std::vector<double> rates, int capacity)
      : sizes_(std::move(sizes)),
        capacity_(capacity),
        count_(sizes_.size()),
        inverse_(count_ * count_),
        amount_(count_),
        cost_(count_, 1.0) {
    for (size_t i = 0; i < count_; ++i) {
      const double fits = capacity_ / sizes_[i];
      inverse_[i * count_ + i] = 1 / fits;
      amount_[i] = rates[i] / fits;
    }
  }

  std::vector<double> prices() {
    for (int step = 0; step < kMostSteps; ++step) {
      price();
      std::vector<double> column(count_);
      double cost = 1;
      const auto least = std::min_element(prices_.begin(), prices_.end());
      if (*least < -kTiny) {  // less of this size would be cheaper: let there be surplus
        column[static_cast<size_t>(least - prices_.begin())] = -1;
        cost = 0;
      } else if (best_pattern(&column) <= 1 + 1e-7) {
        break;
      }
      if (!enter(column, cost)) break;
    }
    price();
    for (double& p : prices_) p = std::max(p, 0.0);
    return prices_;
  }

 private:
  void price() {
    prices_.assign(count_, 0);
    for (size_t row = 0; row < count_; ++row)
      for (size_t i = 0; i < count_; ++i) prices_[i] += cost_[row] * inverse_[row * count_ + i];
  }

  double best_pattern(std::vector<double>* pattern) {
    std::vector<double> value(static_cast<size_t>(capacity_) + 1);
    std::vector<int> last(value.size(), -1);
    for (size_t room = 1; room < value.size(); ++room) {
      value[room] = value[room - 1];
      for (size_t i = 0; i < count_; ++i) {
        const auto size = static_cast<size_t>(sizes_[i]);
        if (size > room || value[room - size] + prices_[i] <= value[room] + kTiny) continue;
        value[room] = value[room - size] + prices_[i];
        last[room] = static_cast<int>(i);
      }
    }
    for (size_t room = value.size() - 1; room > 0;) {
      if (last[room] < 0) {
        --room;
        continue;
      }
      const auto i = static_cast<size_t>(last[room]);
      (*pattern)[i] += 1;
      room -= static_cast<size_t>(sizes_[i]);
    }
    return value.back();
  }

  // False when nothing bounds the step, which rounding only can cause.
  bool enter(const std::vector<double>& column, double cost) {
    std::vector<double> direction(count_);
    for (size_t row = 0; row < count_; ++row)
      for (size_t i = 0; i < count_; ++i) direction[row] += inverse_[row * count_ + i] * column[i];
    size_t leave = count_;
    double step = 0;
    for (size_t row = 0; row < count_; ++row) {
      if (direction[row] <= kTiny) continue;
      const double ratio = amount_[row] / direction[row];
      if (leave == count_ || ratio < step) leave = row, step = ratio;
    }
    if (leave == count_) return false;
    const double pivot = direction[leave];
    for (size_t i = 0; i < count_; ++i) inverse_[leave * count_ + i] /= pivot;
    for (size_t row = 0; row < count_; ++row) {
      if (row == leave) continue;
      amount_[row] = std::max(0.0, amount_[row] - direction[row] * step);
      for (size_t i = 0; i < count_; ++i)
        inverse_[row * count_ + i] -= direction[row] * inverse_[leave * count_ + i];
    }
    amount_[leave] = step;
    cost_[leave] = cost;
    return true;
  }

  std::vector<int> sizes_;
  int capacity_;
  size_t count_;
  std::vector<double> inverse_;  // of the basis, row by row
  std::vector<double> amount_;   // of each basic pattern
  std::vector<double> cost_;     // 1 for a pattern, 0 for surplus
  std::vector<double> prices_;
};

}  // namespace

std::array<int16_t, kWholeCard + 1> worth_of_holes(const std::vector<SizeRate>& demand) {
  std::vector<double> rate(kWholeCard + 1);
  for (const SizeRate& d : demand) rate[static_cast<size_t>(d.milli)] += d.rate;
  rate[kWholeCard] += kTiny;  // a whole card is always worth something
  int unit = kWholeCard;
  for (int milli = 1; milli <= kWholeCard; ++milli)
    if (rate[static_cast<size_t>(milli)] > 0) unit = std::gcd(unit, milli);
  std::vector<int> sizes;
  std::vector<double> rates;
  for (int milli = kWholeCard; milli > 0; --milli) {
    if (rate[static_cast<size_t>(milli)] <= 0) continue;
    sizes.push_back(milli / unit);
    rates.push_back(rate[static_cast<size_t>(milli)]);
  }
  const std::vector<double> prices = CuttingStock(sizes, rates, kWholeCard / unit).prices();
  std::vector<double> value(static_cast<size_t>(kWholeCard / unit) + 1);
  for (size_t room = 1; room < value.size(); ++room) {
    value[room] = value[room - 1];
    for (size_t i = 0; i < sizes.size(); ++i)
      if (static_cast<size_t>(sizes[i]) <= room)
        value[room] =
            std::max(value[room], value[room - static_cast<size_t>(sizes[i])] + prices[i]);
  }
  std::array<int16_t, kWholeCard + 1> worth{};
  const double scale = value.back() > kTiny ? kWholeCard / value.back() : 0;
  for (int r = 0; r <= kWholeCard; ++r)
    worth[static_cast<size_t>(r)] =
        static_cast<int16_t>(std::lround(value[static_cast<size_t>(r / unit)] * scale));
  return worth;
}

}  // namespace flexai::sched
