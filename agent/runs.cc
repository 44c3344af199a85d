#include "agent/runs.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "base/hex.h"
#include "base/log.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;

std::string run_name(uint64_t id) { return "run " + std::to_string(id); }

}  // namespace

base::Status Runs::watch(Run* run) {
  uint64_t id = run->stored.id;
  return loop_->watch(run->pidfd.get(), EPOLLIN, [this, id](uint32_t) {
    if (Run* ended = by_id(id); ended != nullptr && find_orphans) find_orphans(ended);
    finish(id);
  });
}

void Runs::restore(const Stored& stored, const std::string& boot) {
  for (const StoredRun& from : stored.runs) {
    auto run = std::make_unique<Run>();
    run->stored = from;
    uint64_t id = from.id;
    auto stat = read_stat(from.pid);
    bool same = boot == stored.boot && stat.ok() && stat->start == from.start;
    if ((!from.host.empty() || !from.claim.empty()) && boot == stored.boot) {
      run->attended = base::monotonic_now();
      runs_.emplace(id, std::move(run));
      continue;
    }
    if (same) {
      auto pidfd = open_pidfd(from.pid);
      if (pidfd.ok()) run->pidfd = std::move(*pidfd);
    }
    Run* placed = run.get();
    runs_.emplace(id, std::move(run));
    if (!placed->pidfd.valid() || !watch(placed).ok()) placed->draining = true;
  }
}

base::Result<Run*> Runs::start(const Peer& peer, std::string command,
                               std::vector<uint64_t> slices) {
  auto run = std::make_unique<Run>();
  run->stored.uid = peer.uid;
  run->stored.pid = peer.pid;
  run->stored.start = peer.start;
  run->stored.command = std::move(command);
  run->stored.slices = std::move(slices);
  FLEXAI_TRY_ASSIGN(run->pidfd, peer.pidfd.duplicate());
  FLEXAI_TRY_ASSIGN(Run * placed, place(std::move(run)));
  base::Status watched = watch(placed);
  if (!watched.ok()) {
    drop(placed->stored.id);
    return watched.error();
  }
  events_->add("run-started", run_name(placed->stored.id),
               "uid " + std::to_string(peer.uid) + " runs " + placed->stored.command);
  return placed;
}

base::Result<Run*> Runs::lend(const std::string& host, uint32_t uid, std::string command,
                              std::vector<uint64_t> slices) {
  auto run = std::make_unique<Run>();
  run->stored.uid = uid;
  run->stored.host = host;
  run->stored.command = std::move(command);
  run->stored.slices = std::move(slices);
  run->attended = base::monotonic_now();
  FLEXAI_TRY_ASSIGN(Run * placed, place(std::move(run)));
  events_->add("run-started", run_name(placed->stored.id),
               host + " runs " + placed->stored.command);
  return placed;
}

base::Result<Run*> Runs::hold(StoredRun wanted) {
  auto run = std::make_unique<Run>();
  run->stored = std::move(wanted);
  run->attended = base::monotonic_now();
  FLEXAI_TRY_ASSIGN(Run * placed, place(std::move(run)));
  events_->add("run-started", run_name(placed->stored.id), placed->stored.command);
  return placed;
}

base::Result<Run*> Runs::place(std::unique_ptr<Run> run) {
  if (runs_.size() >= kMaxRuns)
    return fail(Code::kExhausted, "this agent has 4000 runs already; end some");
  FLEXAI_TRY_ASSIGN(run->stored.grant, base::random_hex(16));
  run->stored.id = slices_->take_id();
  Change change;
  change.put_runs.push_back(run->stored);
  FLEXAI_TRY(checkpoint_->save(change));
  Run* placed = run.get();
  runs_.emplace(placed->stored.id, std::move(run));
  return placed;
}

Run* Runs::send_away(Run* run, StoredAway there, const std::string& host) {
  auto left = std::make_unique<Run>();
  left->stored = run->stored;
  left->stored.id = slices_->take_id();
  left->stored.host = host;
  left->stored.pid = 0;
  left->stored.start = 0;
  left->stored.grant += "-" + std::to_string(left->stored.id);  // no process has it
  left->attended = base::monotonic_now();
  left->sessions = std::exchange(run->sessions, 0);
  run->stored.slices.clear();
  run->stored.away = std::move(there);
  Change change;
  change.drop_runs.push_back(run->stored.id);  // with its slices
  change.put_runs = {run->stored, left->stored};
  base::Status saved = checkpoint_->save(change);
  // It has happened: an agent that starts anew finds the slice with nobody in it.
  if (!saved.ok())
    base::log(base::Level::kError, "runs", "that a run has moved is not written",
              {{"why", saved.error().message}});
  events_->add("run-away", run_name(run->stored.id), "goes on at " + run->stored.away.host);
  Run* placed = left.get();
  runs_.emplace(placed->stored.id, std::move(left));
  return placed;
}

void Runs::finish(uint64_t id) {
  Run* run = by_id(id);
  if (run == nullptr || run->draining) return;
  if (run->pidfd.valid()) loop_->unwatch(run->pidfd.get());
  run->pidfd.reset();
  run->draining = true;
  sweep();
}

void Runs::sweep() {
  std::vector<uint64_t> over;
  for (auto& [id, run] : runs_)
    if (run->draining && run->attached == 0 && run->sessions == 0 && run->members.empty())
      over.push_back(id);
  for (uint64_t id : over) {
    std::vector<uint64_t> slices = by_id(id)->stored.slices;
    drop(id);
    events_->add("run-ended", run_name(id), "the program and all its processes have ended");
    for (uint64_t slice : slices) {
      SliceEntry* entry = slices_->by_id(slice);
      if (entry == nullptr || !entry->slice.ephemeral || uses(slice)) continue;
      base::Status gone = slices_->remove(entry->slice.name);
      if (!gone.ok())
        base::log(base::Level::kError, "runs", "throw-away slice stays",
                  {{"why", gone.error().message}});
    }
  }
}

void Runs::drop(uint64_t id) {
  auto it = runs_.find(id);
  if (it->second->pidfd.valid()) loop_->unwatch(it->second->pidfd.get());
  Change change;
  change.drop_runs.push_back(id);
  base::Status saved = checkpoint_->save(change);
  // What stays in the checkpoint is found to be dead at the next start.
  if (!saved.ok())
    base::log(base::Level::kError, "runs", "checkpoint", {{"why", saved.error().message}});
  runs_.erase(it);
}

Run* Runs::by_id(uint64_t id) {
  auto it = runs_.find(id);
  return it == runs_.end() ? nullptr : it->second.get();
}

Run* Runs::by_claim(const std::string& claim) {
  for (auto& [id, run] : runs_)
    if (run->stored.claim == claim && !run->draining) return run.get();
  return nullptr;
}

Run* Runs::by_grant(const std::string& grant) {
  for (auto& [id, run] : runs_)
    if (run->stored.grant == grant) return run.get();
  return nullptr;
}

std::vector<uint64_t> Runs::users_of(uint64_t slice) const {
  std::vector<uint64_t> ids;
  for (const auto& [id, run] : runs_)
    if (std::count(run->stored.slices.begin(), run->stored.slices.end(), slice) != 0)
      ids.push_back(id);
  return ids;
}

bool Runs::only_draining(uint64_t slice) const {
  for (const auto& [id, run] : runs_)
    for (uint64_t used : run->stored.slices)
      if (used == slice && !run->draining) return false;
  return true;
}

}  // namespace flexai::agent
