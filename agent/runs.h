// Runs: programs started by `flexai run`. A run is known by a grant (a secret that its processes
// carry in their environment) and lives as long as the process that asked for it; then it drains
// until the processes below it have gone too, and takes its throw-away slices with it. A run of
// another host has no process here: it lives as long as that host goes on saying so, and drains
// until its sessions have ended. A pod's run lives until its claim is given back. Threads: one (the
// agent's Loop).
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/checkpoint.h"
#include "agent/process.h"
#include "agent/slices.h"
#include "base/loop.h"

namespace flexai::agent {

struct Stopped {
  pid_t pid = 0;
  std::string reason;
};

struct Run {
  StoredRun stored;
  base::Fd pidfd;                     // of `flexai run`; not valid once it has ended
  bool draining = false;              // that process has ended, others remain
  std::map<pid_t, uint64_t> members;  // processes seen below it: pid -> start time
  uint32_t attached = 0;              // attachments of its processes that live
  uint32_t sessions = 0;              // workers that serve it
  std::string door;                   // where its programs get a worker: "door:PATH", or empty
  base::Nanos attended = 0;           // of another host: last word of it
  std::vector<Stopped> stopped;       // by us; the last 16

  void add_stopped(Stopped one) {
    stopped.push_back(std::move(one));
    if (stopped.size() > 16) stopped.erase(stopped.begin());
  }
};

class Runs {
 public:
  static constexpr size_t kMaxRuns = 4000;

  Runs(base::Loop* loop, Slices* slices, Checkpoint* checkpoint, Events* events)
      : loop_(loop), slices_(slices), checkpoint_(checkpoint), events_(events) {}

  // Brings back the runs whose process still lives; all are gone after a reboot.
  void restore(const Stored& stored, const std::string& boot);

  // `slices` are ids of at most limit::kMaxAttachedSlices slices.
  base::Result<Run*> start(const Peer& peer, std::string command, std::vector<uint64_t> slices);
  // For a program of another host; `uid` is whose the run is here.
  base::Result<Run*> lend(const std::string& host, uint32_t uid, std::string command,
                          std::vector<uint64_t> slices);
  // For a pod: `wanted` says claim, tenant, command, slices, and the pod's host when it is another.
  base::Result<Run*> hold(StoredRun wanted);
  // The run's programs go on at another host: it has no slices any more. What serves them until
  // they have come there, and the slices, belong to the run that is returned, which is called
  // `host`'s and ends with those sessions: finish() it.
  Run* send_away(Run* run, StoredAway there, const std::string& host);
  // The owner says it is over, or wants it to be: same as the end of its process.
  void finish(uint64_t id);
  // Ends runs that are draining and have nothing left; called after members or attachments changed.
  void sweep();

  // Called when a run's process has ended by itself: its children have lost their parent by then,
  // so who belongs to the run must be found in another way.
  std::function<void(Run*)> find_orphans;

  Run* by_id(uint64_t id);
  Run* by_claim(const std::string& claim);  // one that is not draining
  Run* by_grant(const std::string& grant);
  std::map<uint64_t, std::unique_ptr<Run>>& all() { return runs_; }
  bool uses(uint64_t slice) const { return !users_of(slice).empty(); }
  std::vector<uint64_t> users_of(uint64_t slice) const;  // ids of runs
  // Whether every run that uses it waits for nothing but the end of processes left behind.
  bool only_draining(uint64_t slice) const;

 private:
  base::Status watch(Run* run);
  base::Result<Run*> place(std::unique_ptr<Run> run);
  void drop(uint64_t id);

  base::Loop* loop_;
  Slices* slices_;
  Checkpoint* checkpoint_;
  Events* events_;
  std::map<uint64_t, std::unique_ptr<Run>> runs_;
};

}  // namespace flexai::agent
