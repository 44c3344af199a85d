// Policy: which rules and passes are on, and the constants of the costs. A plain value; part of
// every snapshot, so that a recorded decision can be made again. docs/scheduling.md explains each.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/act_cost.h"

namespace flexai::sched {

// Hard rules say where a member cannot go, soft rules what going there costs. One file each in
// sched/rules/.
enum class Rule : uint8_t {
  kCapacity,  // milli-cards and milli-cpus
  kMemory,    // of the node and of each card
  kModel,     // card models that will do
  kAffinity,  // labels the node must carry
  kTopology,  // zones; members of a gang together
  kLocality,  // a card of another node only for work that allows it
  kNetwork,   // bandwidth for remote cards
  kQuota,     // limits of queues
  kFragment,  // soft: future room lost for the typical demand
  kRemote,    // soft: what the network costs the program
  kScarcity,  // soft: a stronger or rarer card than the work needs
  kEviction,  // soft: what stopping or moving a victim loses
  kSpread,    // soft: members of one workload on one node
};
inline constexpr int kRules = 13;
const char* rule_name(Rule rule);

// Passes, in the order in which decide() runs them. One file each in sched/passes/.
enum class Pass : uint8_t {
  kOrder,     // queues by fairness, aging
  kPlace,     // the core; cannot be switched off
  kGang,      // all or nothing, earlier members chosen again
  kBackfill,  // past a head that must wait
  kPreempt,   // the ladder for higher priorities
  kReclaim,   // for queues below their guarantee
  kResize,    // elastic work by observed load
  kHome,      // remote work to a local hole
  kDefrag,    // moves that make room
};
inline constexpr int kPasses = 9;
const char* pass_name(Pass pass);

struct Policy {
  uint32_t rules = (1u << kRules) - 1;    // bit of each Rule that is on
  uint32_t passes = (1u << kPasses) - 1;  // bit of each Pass that is on

  int quantum_milli = 75;    // costs are rounded up to multiples; finer packs worse
  int stranded_milli = 300;  // weight of idle cards a remote-capable demand cannot reach locally
  int local_enough_milli =
      300;  // a local place that costs at most this is taken without a look afar
  int remote_margin_milli = 0;    // a remote place must be cheaper than a local one by this
  int64_t remote_most_milli = 0;  // of all cards together used remotely; 0: none

  int64_t aging_ms = 3'600'000;   // waiting so long counts as one more of priority
  int64_t patience_ms = 600'000;  // waiting so long takes back what the queue deserves, not only
                                  // what it is guaranteed; from queues that have more than theirs
  int64_t least_run_ms = 0;       // running so long before it may be stopped for others
  int64_t settle_ms = 600'000;    // who was moved is not moved again for so long, then longer
  int backfill_most = 64;         // later work started past a head that waits, in its whole life
  int moves_most = 4;             // of defragmentation and pulling home together, in one plan
  model::ActCosts costs;          // of stopping, moving, resizing
  int busy_percent = 95;          // of its share in use: elastic work grows
  int lazy_percent = 50;          // of its share in use: elastic work shrinks

  bool on(Rule rule) const { return (rules >> static_cast<int>(rule) & 1) != 0; }
  bool on(Pass pass) const { return (passes >> static_cast<int>(pass) & 1) != 0; }
};

}  // namespace flexai::sched
