// Tenant: one process's side of one slice: asks the arbiter for leases, keeps its in-flight work
// bounded in time, reports what it used, and limits itself when no arbiter answers. Knows no API.
//
// A submission (kernel, command buffer, device-side copy) goes: admit(predicted) -> driver call ->
// ... completion
// ... -> settle(predicted, measured). The hot path, while the card is the slice's alone, is one
// load of the lease word, one compare and one addition. Everything else is in tenant_wait.cc
// (blocked path) and pacer.cc (the one thread a tenant has: heartbeat, gates, agent gone and back).
//
// Threads: every public function from any thread; none holds a lock while it calls out. Lifetime:
// created once per slice and process and never destroyed (the program may call us from its exit
// handlers). After fork() the child's first submission attaches it as a process of its own: the
// lease copy lives in a page that fork wipes.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "limit/attach.h"
#include "limit/layout.h"
#include "limit/ledger.h"

namespace flexai::limit {

using base::Nanos;

class Tenant {
 public:
  struct Origin {  // how to attach again: after fork, after the agent came back
    std::string socket;
    std::string grant;
    std::string api;
  };

  // Attaches this process to every slice its grant names for `origin.api`: one Tenant each.
  static base::Result<std::vector<std::unique_ptr<Tenant>>> attach_all(const Origin& origin);

  const std::string& name() const { return name_; }
  const std::string& card_key() const { return card_key_; }
  bool copy_engine() const { return copy_engine_; }
  uint64_t memory_limit() const { return control()->memory_limit.load(std::memory_order_relaxed); }
  Ledger& ledger() { return *ledger_.load(std::memory_order_acquire); }

  // Waits until the slice may submit work predicted to take `predicted`, and books it as in flight.
  void admit(Nanos predicted) {
    uint64_t word = control()->lease.load(std::memory_order_acquire);
    // The flag is looked at as well: a word that was never granted must not match an unset copy.
    if (word == wiped_->open_word.load(std::memory_order_relaxed) &&
        (lease::flags(word) & lease::kGranted) != 0 &&
        outstanding_.load(std::memory_order_relaxed) <= in_flight_bound()) [[likely]] {
      outstanding_.fetch_add(predicted, std::memory_order_relaxed);
      unsettled_.fetch_add(1, std::memory_order_relaxed);
      count_launch();
      return;
    }
    admit_slowly(predicted);
  }
  // The same without waiting: false = not now, nothing booked.
  bool try_admit(Nanos predicted);

  // Runs `open` on the pacer's thread once the slice may submit `predicted`, in order of the calls.
  // For commands that could not start when they were enqueued. `open` must not block.
  void admit_later(Nanos predicted, std::function<void()> open);

  // `count` submissions booked as `predicted` together are over; they took `measured` of device
  // time.
  void settle(Nanos predicted, Nanos measured, uint32_t count = 1);

  // True while others want the card or a ceiling applies: every submission's end must then be
  // reported when it happens. Otherwise a sample is enough.
  bool exact() const { return wiped_->open_word.load(std::memory_order_relaxed) == 0; }

  // Most predicted time of work in flight ahead of one more submission. Published by the arbiter,
  // which knows who could be kept waiting by it.
  Nanos in_flight_bound() const {
    return control()->in_flight_bound_ns.load(std::memory_order_relaxed);
  }

  // Asks the API's layer to settle what has ended without being reported. `start`: called by the
  // program's own thread, which waits for room, so the driver may also be told to start what it
  // holds back. Returns whether some of what is in flight may end without a report. Set once.
  void set_harvest(std::function<bool(bool start)> harvest) { harvest_ = std::move(harvest); }

  void count_copy() { slot()->copies.fetch_add(1, std::memory_order_relaxed); }

  static constexpr Nanos kSilence =
      20 * base::kMillisecond;  // heartbeat older than this: no arbiter

 private:
  friend class Pacer;
  struct WipedOnFork {
    // The lease word for which the hot path may pass; 0 = none. All zero in a forked child.
    std::atomic<uint64_t> open_word;
    std::atomic<uint32_t> alive;
  };
  enum class Verdict { kAdmitted, kWaitLease, kWaitRoom };

  Tenant() = default;
  Tenant(const Tenant&) = delete;
  const ControlPage* control() const { return control_.load(std::memory_order_acquire); }
  Slot* slot() const { return &pages()->slots[slot_.load(std::memory_order_relaxed)]; }
  TenantPages* pages() const { return pages_.load(std::memory_order_acquire); }
  void count_launch() { slot()->launches.fetch_add(1, std::memory_order_relaxed); }

  base::Status adopt(Attached attached);  // maps the pages and switches to them
  base::Status attach_again(bool fresh_process);
  void after_fork();
  void start_pacer();

  // Once the bound was reached: how little must be left before it is worth a wake-up to go on.
  Nanos low_water() const;

  void admit_slowly(Nanos predicted);
  struct Ask {
    Nanos predicted;
    Nanos now;
    // When the caller began to wait for a lease, 0 = it has not: an arbiter is silent only to
    // somebody who has rung and waited.
    Nanos since;
    Nanos patience;  // how long work may be overdue before it is taken for done
    bool full;       // the caller found the bound of work in flight reached
  };
  // May it be submitted now? Books it if so, else says when to ask again.
  Verdict consider(const Ask& ask, Nanos* retry) FLEXAI_REQUIRES(mutex_);
  Verdict consider_alone(const Ask& ask, Nanos* retry) FLEXAI_REQUIRES(mutex_);
  bool room(const Ask& ask, Nanos* in_flight_left, Nanos* retry) const;
  void book(const Ask& ask);
  void wake_room_waiters(Nanos now, Nanos left);
  void begin_waiting();
  void end_waiting(Nanos since);
  void ring();
  void tell_idle(Nanos now);
  void wake_pacer();  // from its sleep
  void call_pacer();  // from its wait between two looks
  void open_gates(Nanos now, Nanos* gate_wait_since, Nanos* retry);
  bool connection_lost();

  std::string name_, card_key_;
  uint64_t slice_id_ = 0;
  bool copy_engine_ = false;
  Origin origin_;

  std::atomic<const ControlPage*> control_{
      nullptr};  // old ones stay mapped: a reader may be in there
  std::atomic<TenantPages*> pages_{nullptr};
  std::atomic<uint32_t> slot_{0};
  std::atomic<Ledger*> ledger_{nullptr};
  WipedOnFork* wiped_ = nullptr;

  std::atomic<Nanos> outstanding_{0};   // predicted time of everything booked and not settled
  std::atomic<uint32_t> unsettled_{0};  // how many submissions that is
  std::atomic<Nanos> mark_{0};  // when `outstanding_` was last known to be just ahead of the card
  std::atomic<uint32_t> waiters_{0};  // threads in admit_slowly
  std::atomic<uint32_t> settled_{0};  // futex word: changes with each settle() somebody waits for
  std::atomic<uint32_t> room_waiters_{0};
  std::atomic<Nanos> room_at_{0};       // when the last of these looks by itself
  std::atomic<uint64_t> idle_told_{0};  // the lease word under which the arbiter was told last
  std::atomic<Nanos> idle_told_at_{0};
  std::atomic<uint32_t> brief_pauses_{0};  // in a row: it went on within an instant of running dry
  std::atomic<Nanos> began_{
      0};  // when the first work after a wait for a lease was booked, until told
  std::atomic<bool> pacer_asleep_{true};
  std::atomic<uint32_t> called_{0};  // futex word: changes when the pacer is to look around
  std::function<bool(bool)> harvest_;

  base::Mutex mutex_;
  std::atomic<bool> alone_{false};                   // the arbiter is known to be silent
  Nanos self_credit_ FLEXAI_GUARDED_BY(mutex_) = 0;  // used while the arbiter is silent
  Nanos self_credit_at_ FLEXAI_GUARDED_BY(mutex_) = 0;
  // Some drivers (rusticl) tell of no command's end before the last of a batch could start. Where
  // the rest of that batch stands behind gates, waiting for the ends would wait for ever; so a
  // gate's patience with overdue work ends, and once that was seen it is short.
  Nanos gate_patience_ FLEXAI_GUARDED_BY(mutex_) = 5 * base::kMillisecond;
  struct Gate {
    Nanos predicted;
    std::function<void()> open;
  };
  std::deque<Gate> gates_ FLEXAI_GUARDED_BY(mutex_);

  base::Mutex link_mutex_;
  base::Fd connection_ FLEXAI_GUARDED_BY(link_mutex_);
  std::atomic<int> doorbell_{-1};
  base::Fd doorbell_fd_,
      previous_doorbell_ FLEXAI_GUARDED_BY(link_mutex_);  // the previous one may still be rung
  base::Fd kick_;                                         // eventfd: wakes the sleeping pacer
};

}  // namespace flexai::limit
