// The blocked path of Tenant: what happens when the hot path may not pass.
#include <algorithm>

#include "base/futex.h"
#include "limit/tenant.h"
#include "model/slice.h"

namespace flexai::limit {

using base::kMillisecond;
using base::MutexLock;

namespace {

constexpr Nanos kNoEnd = INT64_MAX;  // patience of who can wait for the truth
constexpr Nanos kMostPatience = 8 * kMillisecond;
constexpr Nanos kHideWakeUp = 1 * kMillisecond;
constexpr Nanos kTellIdle = 900 * base::kMicrosecond;    // below the arbiter's tick
constexpr Nanos kBriefPause = 300 * base::kMicrosecond;  // the program waited for its kernel,
constexpr uint32_t kSurelyWaits = 8;                     // and does so each time
constexpr Nanos kSlack = kHideWakeUp / 4;
constexpr Nanos kSelfBurst = 20 * kMillisecond;

Nanos lease_end(const ControlPage& control, uint64_t word) {
  return control.epoch_ns + static_cast<Nanos>(lease::end_us(word)) * base::kMicrosecond;
}

}  // namespace

// Half the bound, so that one wake-up serves several submissions, but enough to hide the wake-up.
Nanos Tenant::low_water() const {
  Nanos bound = in_flight_bound();
  return std::max(bound / 2, std::min(bound, kHideWakeUp));
}

// In-flight work is bounded in time: the next submission may go when what is ahead of it is
// predicted to last at most in_flight_bound(), so the card never runs dry and a switch costs at
// most that plus one kernel.
bool Tenant::room(const Ask& ask, Nanos* in_flight_left, Nanos* retry) const {
  Nanos booked = outstanding_.load(std::memory_order_relaxed);
  Nanos left = booked - (ask.now - mark_.load(std::memory_order_relaxed));
  *in_flight_left = booked <= 0 ? 0 : std::max<Nanos>(left, 0);
  Nanos bound = ask.full ? low_water() : in_flight_bound();
  if (booked <= bound) return true;
  // Who asks a little early may go too: it need not be woken once more, in the middle of a kernel.
  if (left > bound + kSlack) {
    *retry = ask.now + left - low_water();
    return false;
  }
  if (left > 0 || -left > ask.patience) return true;
  // Overdue: the prediction was wrong. One may stand behind the one that runs, else wait for the
  // truth.
  if (unsettled_.load(std::memory_order_relaxed) <= 1) return true;
  *retry = 0;
  return false;
}

void Tenant::book(const Ask& ask) {
  Nanos now = ask.now;
  Nanos before = outstanding_.fetch_add(ask.predicted, std::memory_order_relaxed);
  unsettled_.fetch_add(1, std::memory_order_relaxed);
  if (before <= 0) mark_.store(now, std::memory_order_relaxed);
  Slot* s = slot();
  Nanos left = before + ask.predicted - (now - mark_.load(std::memory_order_relaxed));
  s->est_end_ns.store(now + std::max(left, ask.predicted), std::memory_order_relaxed);
  if (before <= 0) {
    Nanos asked = ask.since != 0 ? ask.since : now;  // it did not pause for want of a lease
    bool brief = asked - s->idle_since_ns.load(std::memory_order_relaxed) < kBriefPause;
    uint32_t row = brief_pauses_.load(std::memory_order_relaxed);
    brief_pauses_.store(brief ? row + 1 : 0, std::memory_order_relaxed);
    s->busy_since_ns.store(now, std::memory_order_relaxed);
    if (ask.since != 0) began_.store(now, std::memory_order_relaxed);
  }
  s->in_flight.store(1, std::memory_order_release);
  count_launch();
}

Tenant::Verdict Tenant::consider(const Ask& ask, Nanos* retry) {
  Nanos now = ask.now;
  const ControlPage& c = *control();
  uint64_t word = c.lease.load(std::memory_order_acquire);
  Nanos beat = c.heartbeat_ns.load(std::memory_order_relaxed);
  if (now - beat > kSilence) {
    wiped_->open_word = 0;
    // An arbiter with nothing to do does not beat either, so silence counts once somebody has rung
    // and waited.
    alone_ = alone_ || (ask.since != 0 && now - ask.since > kSilence);
    if (alone_) return consider_alone(ask, retry);
    *retry = (ask.since != 0 ? ask.since : now) + kSilence + kMillisecond;
    return Verdict::kWaitLease;
  }
  alone_ = false;
  self_credit_ = 0;
  self_credit_at_ = 0;
  uint64_t flags = lease::flags(word);
  Nanos end = lease_end(c, word);
  if ((flags & lease::kGranted) == 0 || now >= end) {
    wiped_->open_word = 0;
    *retry = beat + kSilence + kMillisecond;  // unless the arbiter is gone, it knows
    return Verdict::kWaitLease;
  }
  bool open = (flags & (lease::kContended | lease::kTracked)) == 0;
  Nanos left = 0;
  if (!room(ask, &left, retry)) return Verdict::kWaitRoom;
  if (!open && left > 0 && now + left >= end) {  // it would only start after the lease
    *retry = now + left;
    return Verdict::kWaitRoom;
  }
  uint64_t open_word = open && !pacer_asleep_ ? word : 0;
  bool opens = open_word != 0 && wiped_->open_word.load(std::memory_order_relaxed) == 0;
  wiped_->open_word.store(open_word, std::memory_order_relaxed);
  if (opens) call_pacer();  // it watches the lease from now on
  book(ask);
  return Verdict::kAdmitted;
}

// No arbiter: guarantee x wall time, shared by the slice's processes, nothing of the surplus.
Tenant::Verdict Tenant::consider_alone(const Ask& ask, Nanos* retry) {
  Nanos now = ask.now;
  const ControlPage& c = *control();
  int64_t processes = 0;
  for (const auto& owner : pages()->owners)
    processes += owner.load(std::memory_order_relaxed) != 0 ? 1 : 0;
  processes = std::max<int64_t>(processes, 1);
  int64_t share = std::min<int64_t>(c.share_milli.load(std::memory_order_relaxed), 1000);
  if (c.qos.load(std::memory_order_relaxed) == static_cast<uint32_t>(model::Qos::kBestEffort) ||
      share == 0) {
    *retry = now + kSilence;
    return Verdict::kWaitLease;
  }
  if (self_credit_at_ == 0) {
    self_credit_at_ = now;
    self_credit_ = kMillisecond;  // enough to begin at once
  }
  self_credit_ =
      std::min(self_credit_ + (now - self_credit_at_) * share / 1000 / processes, kSelfBurst);
  self_credit_at_ = now;
  if (self_credit_ <= 0) {
    *retry = now + std::min(-self_credit_ * 1000 * processes / share + 100 * base::kMicrosecond,
                            kSilence);
    return Verdict::kWaitLease;
  }
  Nanos left = 0;
  if (!room(ask, &left, retry)) return Verdict::kWaitRoom;
  self_credit_ -= ask.predicted;
  book(ask);
  return Verdict::kAdmitted;
}

bool Tenant::try_admit(Nanos predicted) {
  if (wiped_->alive.load(std::memory_order_relaxed) == 0) after_fork();
  Nanos retry = 0;
  MutexLock lock(mutex_);
  return consider({predicted, base::monotonic_now(), 0, kNoEnd, false}, &retry) ==
         Verdict::kAdmitted;
}

// Who waits for room looks by itself when it is predicted to be there. It is woken only for news: a
// wake-up more per command would cost more than it brings.
void Tenant::wake_room_waiters(Nanos now, Nanos left) {
  if (room_waiters_.load(std::memory_order_seq_cst) == 0) return;
  Nanos low = low_water();
  Nanos there = now + left - low;
  if (left > low + kSlack && there + kSlack > room_at_.load(std::memory_order_relaxed)) return;
  settled_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&settled_, INT32_MAX);
}

// Others wait for the card: the arbiter need not look every now and then if it is told. A program
// that waits for each of its kernels is looked at instead: it would ring all the time.
void Tenant::tell_idle(Nanos now) {
  const ControlPage& c = *control();
  uint64_t word = c.lease.load(std::memory_order_relaxed);
  bool granted = (lease::flags(word) & lease::kGranted) != 0;
  if (granted && (lease::flags(word) & lease::kContended) == 0) return;
  if (granted && now < lease_end(c, word) &&
      (brief_pauses_.load(std::memory_order_relaxed) >= kSurelyWaits ||
       (idle_told_.load(std::memory_order_relaxed) == word &&
        now - idle_told_at_.load(std::memory_order_relaxed) < kTellIdle)))
    return;
  idle_told_.store(word, std::memory_order_relaxed);
  idle_told_at_.store(now, std::memory_order_relaxed);
  ring();
}

void Tenant::begin_waiting() {
  slot()->beat_ns.store(base::monotonic_now(),
                        std::memory_order_relaxed);  // may be old: the pacer slept
  slot()->waiting.fetch_add(1, std::memory_order_release);
  ring();
}

void Tenant::end_waiting(Nanos since) {
  Slot* s = slot();
  // The count may have been reset under us by an attach after the agent's death; it must not wrap.
  uint32_t n = s->waiting.load(std::memory_order_relaxed);
  while (n != 0 && !s->waiting.compare_exchange_weak(n, n - 1, std::memory_order_release)) {
  }
  s->waited_ns.fetch_add(base::monotonic_now() - since, std::memory_order_relaxed);
}

void Tenant::admit_slowly(Nanos predicted) {
  if (wiped_->alive.load(std::memory_order_relaxed) == 0) after_fork();
  waiters_.fetch_add(1, std::memory_order_relaxed);
  wake_pacer();
  Nanos since = 0;
  bool announced = false;
  Nanos patience = kMillisecond;
  for (;;) {
    Nanos now = base::monotonic_now();
    const std::atomic<uint32_t>* word = control()->futex_word();
    uint32_t lease_seen = word->load(std::memory_order_acquire);
    uint32_t settled_seen = settled_.load(std::memory_order_acquire);
    Nanos retry = 0;
    Verdict verdict;
    {
      MutexLock lock(mutex_);
      verdict = consider({predicted, now, since, kNoEnd, announced}, &retry);
    }
    if (verdict == Verdict::kAdmitted) break;
    if (verdict == Verdict::kWaitLease) {
      if (since == 0) {
        since = now;
        if (harvest_) harvest_(true);  // nobody gets the card before the end of our work is known
        begin_waiting();
      }
      // Woken without a lease: the arbiter knows. Not woken at all: the ring may have been lost
      // with the agent.
      if (!base::futex_wait(word, lease_seen, retry)) ring();
      continue;
    }
    // Until it is due or told of; of what is overdue the driver is asked, less and less often.
    bool overdue = retry == 0;
    room_at_.store(overdue ? INT64_MAX : retry, std::memory_order_relaxed);
    if (!announced) {  // and look again: what was settled before this was told to nobody
      announced = true;
      room_waiters_.fetch_add(1, std::memory_order_seq_cst);
      if (harvest_) harvest_(true);  // what was handed over may not have been started
      continue;
    }
    if (base::futex_wait(&settled_, settled_seen, overdue ? now + patience : retry) || !overdue)
      continue;
    patience = std::min(2 * patience, kMostPatience);
    if (harvest_) harvest_(true);
  }
  if (announced) room_waiters_.fetch_sub(1, std::memory_order_relaxed);
  if (since != 0) end_waiting(since);
  waiters_.fetch_sub(1, std::memory_order_relaxed);
}

void Tenant::admit_later(Nanos predicted, std::function<void()> open) {
  if (wiped_->alive.load(std::memory_order_relaxed) == 0) after_fork();
  {
    MutexLock lock(mutex_);
    gates_.push_back(Gate{predicted, std::move(open)});
  }
  waiters_.fetch_add(1, std::memory_order_relaxed);  // a gate counts until it is open
  wake_pacer();
  // Wherever the pacer waits, it looks at the gates now.
  settled_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&settled_, INT32_MAX);
  call_pacer();
}

}  // namespace flexai::limit
