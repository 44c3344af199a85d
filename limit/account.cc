#include "limit/account.h"

#include <algorithm>

namespace flexai::limit {
namespace {

// What a bucket keeps of `level`, of which `earned` came in since the last time. A full one earns
// nothing more, but neither loses what an overrun let it earn, nor what it earned while it was
// being emptied.
int64_t kept(int64_t level, int64_t earned, int64_t cap) {
  return std::min(level, std::max(cap, level - earned));
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
  if (opened_) {
    accrue(now);
    settle(config, false);
  }
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

void Account::accrue(Nanos now) {
  Nanos passed = std::clamp<Nanos>(now - accrued_at_, 0, 1000 * base::kSecond);
  accrued_at_ = now;
  earned_ += passed;
  credit_ += passed * terms_.share_milli;
  room_ += passed * terms_.ceiling_milli;
}

void Account::settle(const ArbiterConfig& config, bool overrun) {
  auto settle_one = [&](int64_t level, uint32_t milli) {
    int64_t most = cap(config, milli) + (overrun ? kOverrunAllowance * milli : 0);
    return kept(level, earned_ * milli, most);
  };
  credit_ = settle_one(credit_, terms_.share_milli);
  room_ = settle_one(room_, terms_.ceiling_milli);
  earned_ = 0;
  if (credit_ <= 0 || credit_ >= threshold(config)) spent_ = credit_ <= 0;
  if (room_ <= 0 || room_ >= threshold(config)) full_ = room_ <= 0;
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
}

Band Account::band(Nanos ahead) const {
  if (terms_.paused) return Band::kNone;
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
  if (rate == 0 || terms_.paused) return base::kSecond;
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
