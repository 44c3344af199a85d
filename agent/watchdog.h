// Watchdog: finds processes of runs that use a card behind our back. Direct mode is cooperative: a
// program whose limiting layer did not load (another loader, a cleared environment) would run
// without limits. Such a process maps a vendor driver but has not attached; it is stopped, and the
// run is told.
//
// A process that maps the layer is left alone: its calls go through the layer, which attaches at
// the first one and shows no card before. So a forked child that never uses what it inherited
// lives.
//
// Between loading the driver and loading the layer lies a moment in which an honest process looks
// like one that goes round us: loaders start every driver before any layer. So one is stopped only
// after kPatience, or kLayerPatience when it still carries the environment that will load the
// layer; that one grows to what the slowest driver took to start when it was probed, and
// kStartSlack. The time counts while the process could make use of it: it ran or slept; waiting for
// a CPU or a disk does not count, nor does the time while it is stopped.
//
// Cheap: attached processes are not looked into; with no new pid since the last pass, no tree walk.
//
// Threads: one (the agent's Loop); a pass takes well under a millisecond for a few hundred
// processes.
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
  static constexpr base::Nanos kLayerPatience = 700 * base::kMillisecond;
  static constexpr base::Nanos kStartSlack = 250 * base::kMillisecond;

  Watchdog(base::Loop* loop, Runs* runs, Attachments* attachments, Events* events);

  // Learns which driver files to look for; again after cards were found.
  void know(const std::vector<model::Device>& cards);
  // The libraries that limit.
  void know_layers(const std::vector<std::string>& files);
  void start();  // looks every kPeriod from now on
  // One pass: brings the members of all runs up to date, stops what must be stopped, sweeps runs.
  void pass();
  // Adds to the members of `run` every process that carries its grant in its environment. Reads all
  // of /proc: for the end of `flexai run` without a goodbye only.
  void find_orphans(Run* run);

 private:
  struct Suspect {
    uint64_t start = 0;
    base::Nanos age = 0;  // own time since it was seen to map a driver without layer
    Progress progress;    // at the last pass
    bool expects_layer = false;
  };

  void tick();
  void walk();
  bool look_at(Run* run, const ProcessStat& stat);  // true: has been stopped
  void stop(Run* run, pid_t pid, const std::string& file);

  base::Loop* loop_;
  Runs* runs_;
  Attachments* attachments_;
  Events* events_;
  base::Nanos own_step(const ProcessStat& stat, Suspect* suspect) const;

  MappedFiles driver_files_;
  MappedFiles layer_files_;
  base::Nanos driver_start_ = 0;  // of the slowest driver
  base::Nanos last_pass_ = 0;
  base::Nanos step_ = 0;  // time since the last pass
  uint64_t last_newest_ = 0;
  size_t last_runs_ = 0;
  std::map<pid_t, Suspect> suspects_;
};

}  // namespace flexai::agent
