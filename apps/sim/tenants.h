// The replay with tenants: tasks of a trace arrive in queues, and the whole core decides: order,
// reclaim, preemption, moves, resizing, not only where a task goes. Decisions are made every
// `tick_s` of simulated time from a snapshot, and carried out at once.
//
// The nodes are every `thin`-th of the trace. Gaps between arrivals are scaled to the offered load;
// tasks run for at most four hours. A queue's demand comes and goes: it is awake for two of every
// three hours, each queue at another time, so that there is always somebody who comes back and
// finds his share in use. What may be done to a task is drawn from the seed: half may be suspended,
// a quarter moved, some are elastic; all may be requeued and then start anew. A task that has less
// than it uses takes longer in proportion; what elastic tasks use is reported to the core each
// tick.
#pragma once

#include <string>
#include <vector>

#include "apps/sim/trace.h"
#include "base/result.h"

namespace flexai::apps::sim {

struct TenantOptions {
  int queues = 20;
  size_t thin = 10;
  double load = 1.3;
  size_t tasks = 20000;
  double tick_s = 30;
  uint64_t seed = 1;
  bool remote = true;
  // What a task really uses of what it asked for: drawn evenly from half to one and a half times
  // `use`, at most all. openb does not say; so it is varied.
  double use = 1;
  int elastic_percent = 20;  // of the tasks with one card: may be shrunk to a quarter
};

struct TenantResult {
  size_t tasks = 0, ticks = 0, events = 0;  // events: arrivals, departures, actions
  int64_t cards = 0;
  double used = 0;         // mean % of the cards that are given out, while tasks arrive
  double really_used = 0;  // mean % of the cards that tasks keep busy
  double completion_mean_s = 0;
  // Worst window of one hour, and worst of all windows' means: % of the cards between what a queue
  // had and what water-filling by deserved parts would have given it.
  double worst_distance = 0, mean_distance = 0;
  int worst_queue = -1;
  double worst_at_s = 0;
  double longest_below_guarantee_s = 0;  // with work waiting that the guarantee would cover
  double wait_mean_s = 0, wait_p95_s = 0;
  // Card time of work that was stopped and began anew, % of all card time used.
  double wasted = 0;
  double acts = 0;  // % of it that stopping, moving and resizing itself cost
  size_t shrinks = 0, shares = 0, suspends = 0, requeues = 0, kills = 0, moves = 0, homes = 0;
  size_t most_stops = 0;                                // of one task
  size_t longest_exchange = 0, returns = 0, loops = 0;  // apps/sim/loops.h
  size_t differing = 0;    // plans of a sample that were not those of the snapshot opened anew
  double remote = 0;       // mean % of the cards
  int longest_unrest = 0;  // plans until nothing more was done, with time standing still
  double decide_mean_ms = 0, decide_worst_ms = 0;
  std::vector<double> distance_by_window;  // the worst queue of each window
};

base::Result<TenantResult> run_tenants(const Trace& trace, const TenantOptions& options);

}  // namespace flexai::apps::sim
