#include "limit/account.h"

#include <algorithm>

namespace flexai::limit {
namespace {

// One pass of a bucket: full buckets neither grow nor lose what an overrun let them earn.
int64_t fill(int64_t level, int64_t earned, int64_t cap, int64_t hard_cap, bool overrun) {
  if (overrun) return std::min(level + earned, std::max(hard_cap, level));
  return std::min(level + earned, std::max(cap, level));
}

constexpr Nanos kOverrunAllowance = 200 * base::kMillisecond;  // wall time

}  // namespace

bool Account::may_take_all() const {
  if (terms_.qos == model::Qos::kFixed) return terms_.share_milli >= 1000;
  return terms_.ceiling_milli >= 1000;
}

Nanos Account::quantum(const ArbiterConfig& config) const {
  if (terms_.qos == model::Qos::kBestEffort) return 2 * config.lease_min;
  return std::clamp(config.round * terms_.share_milli / 1000, config.lease_min, config.lease_max);
}

// What is kept while not used: enough for a few rounds, so that a change of terms is not masked by
// old savings.
int64_t Account::cap(const ArbiterConfig& config, uint32_t milli) const {
  Nanos rounds = 4 * config.round * milli / 1000;
  return std::min(config.burst, std::max(config.lease_max, rounds)) * kMilli;
}

int64_t Account::threshold(const ArbiterConfig& config) const {
  return std::min(quantum(config) / 2, config.lease_min) * kMilli;
}

void Account::set_terms(const Terms& terms, const ArbiterConfig& config, Nanos now) {
  if (opened_) accrue(config, now, false);
  terms_ = terms;
  terms_.share_milli = std::min(terms_.share_milli, 1000u);
  terms_.ceiling_milli = std::min(terms_.ceiling_milli, 1000u);
  if (!opened_) {
    opened_ = true;
    accrued_at_ = now;
    credit_ = room_ = threshold(config);
  }
  credit_ = std::min(credit_, cap(config, terms_.share_milli));
  room_ = std::min(room_, cap(config, terms_.ceiling_milli));
}

void Account::accrue(const ArbiterConfig& config, Nanos now, bool overrun) {
  Nanos passed = std::clamp<Nanos>(now - accrued_at_, 0, 1000 * base::kSecond);
  accrued_at_ = now;
  int64_t share = terms_.share_milli;
  int64_t ceiling = terms_.ceiling_milli;
  int64_t cap_share = cap(config, terms_.share_milli);
  int64_t cap_ceiling = cap(config, terms_.ceiling_milli);
  credit_ =
      fill(credit_, passed * share, cap_share, cap_share + kOverrunAllowance * share, overrun);
  room_ = fill(room_, passed * ceiling, cap_ceiling, cap_ceiling + kOverrunAllowance * ceiling,
               overrun);
  if (credit_ >= threshold(config)) spent_ = false;
  if (room_ >= threshold(config)) full_ = false;
}

void Account::charge(Nanos used, Band band, bool alone) {
  if (used <= 0) return;
  int64_t amount = used * kMilli;
  room_ -= amount;
  bool gift = alone && terms_.qos != model::Qos::kFixed;
  if (gift)
    credit_ = std::max(std::min<int64_t>(credit_, 0), credit_ - amount);
  else if (band == Band::kGuarantee)
    credit_ -= amount;
  // Alone there is nobody to be in order with.
  if (!alone) {
    double& time = band == Band::kGuarantee ? guarantee_time_ : surplus_time_;
    time += static_cast<double>(used) * 1000.0 / terms_.weight();
  }
  if (credit_ <= 0) spent_ = true;
  if (room_ <= 0) full_ = true;
}

Band Account::band(Nanos ahead) const {
  bool spent = spent_;
  bool full = full_;
  if (ahead > 0) {
    spent = spent || credit_ + ahead * (terms_.share_milli - kMilli) <= 0;
    full = full || room_ + ahead * (terms_.ceiling_milli - kMilli) < 0;
  }
  if (may_take_all()) full = false;
  switch (terms_.qos) {
    case model::Qos::kFixed:
      return spent && !may_take_all() ? Band::kNone : Band::kGuarantee;
    case model::Qos::kElastic:
      if (full) return Band::kNone;
      return spent ? Band::kSurplus : Band::kGuarantee;
    case model::Qos::kBestEffort:
      return full ? Band::kNone : Band::kIdleTime;
  }
  return Band::kNone;
}

Nanos Account::until_served(const ArbiterConfig& config) const {
  bool fixed = terms_.qos == model::Qos::kFixed;
  int64_t missing = threshold(config) - (fixed ? credit_ : room_);
  int64_t rate = fixed ? terms_.share_milli : terms_.ceiling_milli;
  if (rate == 0) return base::kSecond;
  return std::max<int64_t>(missing, 0) / rate + 1;
}

Nanos Account::lease_length(const ArbiterConfig& config, Band band, Nanos ahead) const {
  Nanos length = quantum(config);
  auto limit = [&](int64_t level, uint32_t milli) {
    int64_t drain = kMilli - milli;  // net loss while it runs
    if (drain <= 0) return;
    length = std::min<Nanos>(length, std::max<int64_t>(level - ahead * drain, 0) / drain);
  };
  if (band == Band::kGuarantee) limit(credit_, terms_.share_milli);
  if (!may_take_all() && terms_.qos != model::Qos::kFixed) limit(room_, terms_.ceiling_milli);
  return std::max(length, config.lease_min);
}

double Account::order(Band band, Nanos ahead) const {
  double time = band == Band::kGuarantee ? guarantee_time_ : surplus_time_;
  return time + static_cast<double>(ahead) * 1000.0 / terms_.weight();
}

void Account::join(Band band, double least) {
  double& time = band == Band::kGuarantee ? guarantee_time_ : surplus_time_;
  time = std::max(time, least);
}

}  // namespace flexai::limit
