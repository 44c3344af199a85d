#include "limit/pacer.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/futex.h"
#include "base/log.h"
#include "limit/tenant.h"

namespace flexai::limit {

using base::kMillisecond;
using base::MutexLock;

namespace {

constexpr Nanos kBeat = 10 * kMillisecond;
constexpr Nanos kLookWhileExact = 2 * kMillisecond;
constexpr Nanos kStayAwake = 500 * kMillisecond;
constexpr Nanos kAttachEvery = 100 * kMillisecond;

}  // namespace

void Pacer::start(Tenant* tenant) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  auto* pacer = new Pacer(tenant);
  int rc = pthread_create(
      &thread, nullptr,
      [](void* self) -> void* {
        static_cast<Pacer*>(self)->run();
        return nullptr;
      },
      pacer);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (rc != 0) {
    delete pacer;
    tenant->pacer_asleep_ = true;
    base::log(base::Level::kWarn, "tenant",
              "no thread for the pacer; every submission asks the arbiter",
              {{"slice", tenant->name()}});
    return;
  }
  pthread_detach(thread);
}

void Pacer::run() {
  Tenant& t = tenant_;
  for (;;) {
    uint32_t called = t.called_.load(std::memory_order_acquire);
    Nanos now = base::monotonic_now();
    if (t.connection_lost()) reattach(now);
    bool look_again = false;
    if (t.outstanding_.load(std::memory_order_relaxed) > 0 && t.harvest_)
      look_again = t.harvest_(false);
    beat(now);
    Nanos retry = now + (t.exact() && look_again ? kLookWhileExact : kBeat);
    t.open_gates(now, &gate_wait_since_, &retry);
    if (!active(now)) {
      sleep_until_work();
      continue;
    }
    wait_for_change(now, retry, called);
  }
}

bool Pacer::active(Nanos now) {
  if (tenant_.outstanding_.load(std::memory_order_relaxed) > 0 ||
      tenant_.waiters_.load(std::memory_order_relaxed) != 0)
    last_active_ = now;
  return now - last_active_ < kStayAwake;
}

void Pacer::beat(Nanos now) {
  Tenant& t = tenant_;
  Slot* s = t.slot();
  s->beat_ns.store(now, std::memory_order_relaxed);
  uint64_t launches = s->launches.load(std::memory_order_relaxed);
  bool submitted = launches != launches_seen_;
  launches_seen_ = launches;
  if (submitted) last_active_ = now;
  bool in_flight = t.outstanding_.load(std::memory_order_relaxed) > 0;
  // While the lease is open nobody reads this promptly, so work of the last beat counts as work in
  // flight.
  s->in_flight.store(in_flight || (submitted && !t.exact()) ? 1 : 0, std::memory_order_release);
  if (in_flight) {
    Nanos left = t.outstanding_.load(std::memory_order_relaxed) -
                 (now - t.mark_.load(std::memory_order_relaxed));
    s->est_end_ns.store(now + std::max<Nanos>(left, 0), std::memory_order_relaxed);
  }
  // The hot path looks at no clock: an arbiter that fell silent, or a changed lease, closes it
  // here.
  const ControlPage& c = *t.control();
  uint64_t open = t.wiped_->open_word.load(std::memory_order_relaxed);
  if (open != 0 && (c.lease.load(std::memory_order_relaxed) != open ||
                    now - c.heartbeat_ns.load(std::memory_order_relaxed) > Tenant::kSilence))
    t.wiped_->open_word = 0;
}

void Pacer::reattach(Nanos now) {
  if (now - last_try_ < kAttachEvery) return;
  last_try_ = now;
  auto status = tenant_.attach_again(/*fresh_process=*/false);
  if (status.ok())
    base::log(base::Level::kInfo, "tenant", "attached again", {{"slice", tenant_.name()}});
}

// Waits for what the next step depends on: settled work for a gate that needs room, the lease word
// for one that needs a lease; without gates for a call of the tenant's, who may have one, and
// while the hot path is open for the lease word as well.
void Pacer::wait_for_change(Nanos now, Nanos retry, uint32_t called) {
  Tenant& t = tenant_;
  bool gates;
  {
    MutexLock lock(t.mutex_);
    gates = !t.gates_.empty();
  }
  if (gates && gate_wait_since_ == 0) {
    t.room_at_.store(INT64_MAX, std::memory_order_relaxed);
    t.room_waiters_.fetch_add(1, std::memory_order_seq_cst);
    base::futex_wait(&t.settled_, t.settled_.load(std::memory_order_acquire),
                     std::min(retry, now + kMillisecond));
    t.room_waiters_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  if (!gates && t.exact()) {
    base::futex_wait(&t.called_, called, retry);
    return;
  }
  const auto* word = t.control()->futex_word();
  const uint32_t lease = word->load(std::memory_order_acquire);
  if (gates)
    base::futex_wait(word, lease, retry);
  else
    base::futex_wait_either({word, lease}, {&t.called_, called}, retry);
}

void Pacer::sleep_until_work() {
  Tenant& t = tenant_;
  t.pacer_asleep_ = true;
  t.wiped_->open_word = 0;
  t.slot()->in_flight.store(0, std::memory_order_release);
  bool quiet = t.outstanding_.load() <= 0 && t.waiters_.load() == 0 &&
               t.slot()->launches.load(std::memory_order_relaxed) == launches_seen_;
  if (quiet) {
    int connection;
    {
      MutexLock lock(t.link_mutex_);
      connection = t.connection_.get();
    }
    pollfd fds[2] = {{t.kick_.get(), POLLIN, 0}, {connection, POLLIN, 0}};
    // Without an agent, look for one again at the usual pace.
    ::poll(fds, connection >= 0 ? 2 : 1,
           connection >= 0 ? -1 : static_cast<int>(kAttachEvery / kMillisecond));
    uint64_t count;
    [[maybe_unused]] ssize_t n = ::read(t.kick_.get(), &count, sizeof count);
  }
  t.pacer_asleep_ = false;
  last_active_ = base::monotonic_now();
}

void Tenant::open_gates(Nanos now, Nanos* gate_wait_since, Nanos* retry) {
  for (;;) {
    Gate gate;
    {
      MutexLock lock(mutex_);
      if (gates_.empty()) break;
      Nanos again = *retry;
      Verdict verdict = consider(
          {gates_.front().predicted, now, *gate_wait_since, gate_patience_, false}, &again);
      Nanos booked = outstanding_.load(std::memory_order_relaxed);
      if (verdict == Verdict::kAdmitted &&
          now - mark_.load(std::memory_order_relaxed) > booked + gate_patience_)
        gate_patience_ = 0;
      if (verdict == Verdict::kWaitLease) {
        *retry = std::min(*retry, again);
        if (*gate_wait_since == 0) {
          *gate_wait_since = now;
          begin_waiting();
        } else {
          ring();
        }
        return;
      }
      if (verdict == Verdict::kWaitRoom) {
        *retry = std::min(*retry, again != 0 ? again : now + base::kMillisecond);
        break;
      }
      gate = std::move(gates_.front());
      gates_.pop_front();
    }
    gate.open();
    waiters_.fetch_sub(1, std::memory_order_relaxed);
    now = base::monotonic_now();
  }
  if (*gate_wait_since != 0) {
    end_waiting(*gate_wait_since);
    *gate_wait_since = 0;
  }
}

}  // namespace flexai::limit
