// CardArbiter: the thread that decides who may use one card. Owns a limit::Arbiter, maps the shared
// pages of the card's slices, publishes lease words and heartbeats.
//
// Threads: every function may be called from any thread; it posts to the arbiter's own thread,
// which owns all state. snapshot() waits for that thread (well under 1 ms); the others return at
// once and take effect in the order called. The destructor ends every lease, stops the thread,
// unmaps. Idle: with no active slice the thread sleeps until a doorbell rings or something is
// posted; slices that are not active cost nothing per wake-up. Every byte of TenantPages is
// hostile: counted only for slots the agent marked as owned, clamped, never used as an index, never
// waited for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/shared_pages.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "limit/arbiter.h"

namespace flexai::agent {

// What one slice brings along.
struct SliceRuntime {
  uint64_t id = 0;
  std::string name;
  base::Mapping control;  // read-write
  base::Mapping pages;    // read-write
  base::Fd doorbell;      // eventfd, non-blocking; the arbiter reads it, tenants write it
};

struct SliceUse {
  uint64_t id = 0;
  std::string name;
  limit::Terms terms;
  limit::TenantUse use;
  bool holder = false;
  bool waiting = false;
  bool in_flight = false;
  double got_1s = 0;  // part of the card's time charged over the last 1 s / 10 s, 0..1
  double got_10s = 0;
  uint64_t memory_used = 0;
  uint64_t memory_peak = 0;
  uint64_t memory_limit = 0;
  uint32_t processes = 0;  // owned slots
  // Sums over all processes this agent has seen, past ones included; tenants' own word.
  uint64_t launches = 0;
  uint64_t copies = 0;
  base::Nanos waited = 0;
  base::Nanos throttled = 0;
  uint64_t refused_allocations = 0;
};

struct CardUse {
  std::vector<SliceUse> slices;  // by id
  double got_1s = 0;
  double got_10s = 0;
  uint64_t steps = 0;      // passes of the arbiter since it started
  std::string scheduling;  // "fifo", "slice", "normal": what the thread could get
};

class CardArbiter {
 public:
  struct Options {
    std::string card;  // for the thread's name and log lines
    limit::ArbiterConfig config;
    // Most predicted work a slice may have in flight ahead of a submission: it bounds how long a
    // neighbour waits, so it depends on who that could be.
    base::Nanos in_flight = 1 * base::kMillisecond;  // a slice of higher priority has processes
    base::Nanos in_flight_among_equals = 3 * base::kMillisecond;
    base::Nanos in_flight_alone = 20 * base::kMillisecond;  // no other slice has processes
  };
  static base::Result<std::unique_ptr<CardArbiter>> start(Options options);
  ~CardArbiter();
  CardArbiter(const CardArbiter&) = delete;
  CardArbiter& operator=(const CardArbiter&) = delete;

  // The limits are in the control page when this returns; leases follow. kConflict when `id` is
  // known, kInvalid when a mapping is too short.
  base::Status add_slice(SliceRuntime slice, const limit::Terms& terms, uint64_t memory_limit);
  // Live change; kNotFound for an unknown slice.
  base::Status set_terms(uint64_t id, const limit::Terms& terms, uint64_t memory_limit);
  // Ends the slice's lease, unmaps its pages. When this returns the thread no longer touches them.
  base::Status remove_slice(uint64_t id);
  // The agent gave or reaped a slot of this slice: look at the owners again. Needed after a new
  // owner was written; a doorbell does the same.
  void slots_changed(uint64_t id);

  CardUse snapshot();

 private:
  class Core;
  explicit CardArbiter(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace flexai::agent
