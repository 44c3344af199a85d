// Watchdog: finds processes of runs that use a card behind our back. Direct mode is cooperative: a
// program whose limiting layer did not load (another loader, a cleared environment) would run
// without limits. Such a process maps a vendor driver but has not attached; it is stopped, and the
// run is told.
//
// Between loading the driver and attaching lies a moment in which an honest process looks the same,
// so one is stopped only after kPatience, and on a machine so busy that it has hardly run in that
// time, after kMostPatience. A process that is itself stopped is left alone. Cheap: attached
// processes are not looked into; with no new pid since the last pass, no tree walk. Threads: one
// (the agent's Loop); a pass takes well under a millisecond for a few hundred processes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

#include "agent/attachments.h"
#include "agent/process.h"
#include "agent/runs.h"
#include "base/loop.h"

namespace flexai::agent {

class Watchdog {
 public:
  static constexpr base::Nanos kPeriod = 250 * base::kMillisecond;
  static constexpr base::Nanos kPatience = 400 * base::kMillisecond;
  static constexpr base::Nanos kMostPatience = 700 * base::kMillisecond;

  Watchdog(base::Loop* loop, Cards* cards, Runs* runs, Attachments* attachments, Events* events);

  void start();  // looks every kPeriod from now on
  // One pass: brings the members of all runs up to date, stops what must be stopped, sweeps runs.
  void pass();
  // Adds to the members of `run` every process that carries its grant in its environment. Reads all
  // of /proc: for the end of `flexai run` without a goodbye only.
  void find_orphans(Run* run);

 private:
  struct Suspect {
    uint64_t start = 0;
    base::Nanos since = 0;   // mapped a driver without being attached
    uint64_t cpu_ticks = 0;  // used by then
  };

  void tick();
  void walk();
  bool look_at(Run* run, const ProcessStat& stat);  // true: has been stopped
  void stop(Run* run, pid_t pid, const std::string& file);

  base::Loop* loop_;
  Runs* runs_;
  Attachments* attachments_;
  Events* events_;
  MappedFiles driver_files_;
  uint64_t last_newest_ = 0;
  size_t last_runs_ = 0;
  std::map<pid_t, Suspect> suspects_;
};

}  // namespace flexai::agent
