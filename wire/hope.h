// Hope: how long who waits for a peer's bytes looks for them before it sleeps. Looking pays where
// the peer answers sooner than the kernel wakes a sleeper, and nobody else needs the processor;
// where it mostly fails it is only tried now and then.
// Threads: those that wait for reading, one at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace flexai::wire {

// Who asks waits for what a card does as well, and his waiting costs himself; who answers keeps the
// processor from the driver's threads.
inline constexpr base::Nanos kAskerSpin = 100 * base::kMicrosecond;
inline constexpr base::Nanos kAnswererSpin = 20 * base::kMicrosecond;

class Hope {
 public:
  static constexpr base::Nanos kLeast = base::kMicrosecond / 2;

  explicit Hope(base::Nanos longest) : longest_(longest) {}

  // Calls `there` again and again until it is true, `deadline` (0: none) comes, or this has been
  // long enough. Whether it was true.
  template <typename There>
  bool look(base::Nanos deadline, There there) {
    base::Nanos seen = base::monotonic_now();
    const bool hopes = trust_.load(std::memory_order_relaxed) > 0;
    base::Nanos until = seen + (hopes ? longest_ : kLeast);
    if (deadline != 0) until = std::min(until, deadline);
    bool came = false, away = false;
    while (!came && !away && seen < until) {
      came = there();
      const base::Nanos now = base::monotonic_now();
      away = now - seen > kAway;
      seen = now;
    }
    learn(hopes, came && !away);
    return came;
  }
  bool hopes() const { return trust_.load(std::memory_order_relaxed) > 0; }

 private:
  void learn(bool hoped, bool paid) {
    const int trust = trust_.load(std::memory_order_relaxed);
    if (hoped) {
      trust_.store(paid ? std::min(trust + 1, kMost) : trust - kLoss, std::memory_order_relaxed);
    } else if (waits_.fetch_add(1, std::memory_order_relaxed) % kTrialEvery == kTrialEvery - 1) {
      trust_.store(kTrial, std::memory_order_relaxed);
    }
  }

  // So long nobody is kept from his processor but by somebody else who works on it.
  static constexpr base::Nanos kAway = 30 * base::kMicrosecond;
  static constexpr int kMost = 32, kLoss = 4, kTrial = 5, kTrialEvery = 64;

  const base::Nanos longest_;
  std::atomic<int> trust_{kMost};
  std::atomic<uint32_t> waits_{0};
};

}  // namespace flexai::wire
