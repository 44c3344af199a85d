#include "model/ncu.h"

#include <algorithm>

namespace flexai::model {

constexpr int64_t kMostAmount = int64_t{1} << 40;  // of card_ms and units that are added up
constexpr int64_t kTrustMs = 3'600'000;            // the table counts like an hour of a card
constexpr int64_t kMostWeight = 1000 * kTrustMs;   // of one pair of models and program
constexpr int32_t kMostFactor = 2;

void NcuObserver::saw(const std::string& program, const std::string& kind, const std::string& model,
                      int64_t card_ms, int64_t units) {
  if (card_ms <= 0 || units <= 0 || card_ms > kMostAmount || units > kMostAmount) return;
  Seen& seen = seen_[{kind, program}][model];
  // Old amounts fade when they grow large, both alike.
  while (seen.card_ms + card_ms > kMostAmount || seen.units + units > kMostAmount) {
    seen.card_ms /= 2;
    seen.units /= 2;
  }
  seen.card_ms += card_ms;
  seen.units += units;
}

NcuObserver::Estimate NcuObserver::estimate(const NcuRate& rate,
                                            const std::vector<NcuRate>& table) const {
  Estimate all;
  for (const auto& [key, by_model] : seen_) {
    const auto here = by_model.find(rate.model);
    if (key.first != rate.kind || here == by_model.end()) continue;
    for (const NcuRate& other : table) {
      const auto there = by_model.find(other.model);
      if (other.kind != rate.kind || other.model == rate.model || there == by_model.end()) continue;
      // What this program says: its speed here over its speed there, times the rate there.
      const Seen &h = here->second, &t = there->second;
      const auto fast = static_cast<__int128>(h.units) * t.card_ms * other.milli;
      const auto slow = static_cast<__int128>(t.units) * h.card_ms;
      if (slow == 0) continue;
      const __int128 said = std::clamp<__int128>(fast / slow, rate.milli / kMostFactor,
                                                 static_cast<__int128>(rate.milli) * kMostFactor);
      const int64_t weight = std::min({kMostWeight, h.card_ms, t.card_ms});
      all.sum += said * weight;
      all.weight += weight;
    }
  }
  return all;
}

std::vector<NcuRate> NcuObserver::refined(const std::vector<NcuRate>& table) const {
  std::vector<NcuRate> result = table;
  for (NcuRate& rate : result) {
    const auto reference = std::find_if(table.begin(), table.end(),
                                        [&](const NcuRate& r) { return r.kind == rate.kind; });
    if (reference->model == rate.model) continue;
    const Estimate seen = estimate(rate, table);
    const __int128 all = seen.sum + static_cast<__int128>(rate.milli) * kTrustMs;
    rate.milli = std::max(1, static_cast<int32_t>(all / (seen.weight + kTrustMs)));
  }
  return result;
}

}  // namespace flexai::model
