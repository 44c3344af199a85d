// The timed replay: tasks of a trace arrive, wait, run and leave.
//
// openb's own load is 14 of 6,212 cards, so the gaps between arrivals are scaled until the offered
// load (card-seconds of all tasks over cards x time of arrivals) is what is asked for; gaps longer
// than an hour count as an hour, tasks longer than a day as a day, and running time is the same
// under every policy. Waiting tasks are tried in order of arrival at every change; one that finds
// no room is passed by later ones. A task uses `use` of what it asks for.
#pragma once

#include <string>

#include "apps/sim/trace.h"

namespace flexai::apps::sim {

struct TimedResult {
  std::string policy;
  double load = 0;
  double blocked = 0;  // mean % of cards that others cannot have, while tasks arrive
  double asked = 0;    // mean % of cards that running tasks asked for: what is used when use is 1
  double wait_mean_s = 0, wait_p95_s = 0, completion_mean_s = 0, makespan_s = 0;
  double completion_least_s = 0;  // if nobody ever waited: no policy can do better
  double remote = 0;              // mean % of cards used from another node
  size_t tasks = 0, never_placed = 0;
};

TimedResult run_timed(const Trace& trace, const std::string& policy, double load, uint64_t seed);

}  // namespace flexai::apps::sim
