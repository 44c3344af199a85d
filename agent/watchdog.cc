#include "agent/watchdog.h"

#include <signal.h>

#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/log.h"

namespace flexai::agent {

using base::Nanos;

namespace {

// Parent links of all processes -> for each run, everything below its own process or below a member
// seen earlier (whose parent may have ended since).
class Tree {
 public:
  Tree() {
    const pid_t own = ::getpid();
    for (const ProcessStat& stat : all_processes()) {
      if (stat.state == 'Z' || stat.state == 'X') continue;
      stats_[stat.pid] = stat;
      // The agent may have been started by a program that it now runs; it is no part of it.
      if (stat.pid != own) children_.emplace(stat.parent, stat.pid);
    }
  }

  bool lives(pid_t pid, uint64_t start) const {
    auto it = stats_.find(pid);
    return it != stats_.end() && it->second.start == start;
  }

  void collect(pid_t root, std::map<pid_t, uint64_t>* into) const {
    auto [from, to] = children_.equal_range(root);
    for (auto it = from; it != to; ++it) {
      pid_t child = it->second;
      if (into->emplace(child, stats_.at(child).start).second) collect(child, into);
    }
  }

 private:
  std::map<pid_t, ProcessStat> stats_;
  std::multimap<pid_t, pid_t> children_;
};

}  // namespace

Watchdog::Watchdog(base::Loop* loop, Runs* runs, Attachments* attachments, Events* events)
    : loop_(loop), runs_(runs), attachments_(attachments), events_(events) {}

void Watchdog::know(const std::vector<model::Device>& cards) {
  for (const model::Device& card : cards) {
    for (const std::string& file : card.driver_files) driver_files_.add(file);
    const Nanos start = std::min<Nanos>(card.start_ms, 10000) * base::kMillisecond;
    driver_start_ = std::max(driver_start_, start);
  }
}

void Watchdog::know_layers(const std::vector<std::string>& files) {
  for (const std::string& file : files) layer_files_.add(file);
}

void Watchdog::start() {
  loop_->at(base::monotonic_now() + kPeriod, [this] { tick(); });
}

void Watchdog::tick() {
  // With no run there is nothing to look at.
  if (!runs_->all().empty()) pass();
  start();
}

void Watchdog::walk() {
  Tree tree;
  for (auto& [id, run] : runs_->all()) {
    std::map<pid_t, uint64_t> now;
    if (!run->draining && run->stored.pid > 0) tree.collect(run->stored.pid, &now);
    for (const auto& [pid, start] : run->members) {
      if (!tree.lives(pid, start)) continue;
      if (now.emplace(pid, start).second) tree.collect(pid, &now);
    }
    run->members = std::move(now);
  }
}

void Watchdog::find_orphans(Run* run) {
  const std::string mark = std::string(limit::kEnvGrant) + "=" + run->stored.grant;
  const std::string served = "FLEXAI_WORKER=" + run->door;
  for (const ProcessStat& stat : all_processes())
    if (stat.pid != run->stored.pid && stat.state != 'Z' &&
        (started_with(stat.pid, mark) || (!run->door.empty() && started_with(stat.pid, served))))
      run->members.emplace(stat.pid, stat.start);
  last_newest_ = 0;  // what is below them is looked for at the next pass
}

void Watchdog::pass() {
  uint64_t newest = newest_pid();
  if (newest == 0 || newest != last_newest_ || runs_->all().size() != last_runs_) {
    walk();
    last_newest_ = newest;
    last_runs_ = runs_->all().size();
  }
  Nanos now = base::monotonic_now();
  step_ = last_pass_ == 0 ? 0 : now - last_pass_;
  last_pass_ = now;
  std::map<pid_t, Suspect> before = std::move(suspects_);
  suspects_.clear();
  for (auto& [id, run] : runs_->all()) {
    for (auto it = run->members.begin(); it != run->members.end();) {
      auto [pid, start] = *it;
      if (attachments_->attached(pid)) {
        ++it;
        continue;
      }
      auto stat = read_stat(pid);
      if (!stat.ok() || stat->start != start || stat->state == 'Z' || stat->state == 'X') {
        it = run->members.erase(it);
        continue;
      }
      if (stat->state != 'T' && stat->state != 't') {
        auto known = before.find(pid);
        if (known != before.end() && known->second.start == start) suspects_.insert(*known);
        if (look_at(run.get(), *stat)) suspects_.erase(pid);
      }
      ++it;
    }
  }
  runs_->sweep();
}

bool Watchdog::look_at(Run* run, const ProcessStat& stat) {
  const pid_t pid = stat.pid;
  if (driver_files_.empty()) return false;
  auto mapped = driver_files_.first_mapped(pid);
  if (!mapped.ok() || mapped->empty()) {
    suspects_.erase(pid);
    return false;
  }
  if (auto layer = layer_files_.first_mapped(pid); layer.ok() && !layer->empty()) {
    suspects_.erase(pid);
    return false;
  }
  auto [it, fresh] = suspects_.emplace(pid, Suspect{stat.start, 0, {}, false});
  Suspect& suspect = it->second;
  const Nanos own = own_step(stat, &suspect);
  if (fresh) {
    suspect.expects_layer =
        started_with(pid, std::string(limit::kEnvGrant) + "=" + run->stored.grant);
    return false;
  }
  suspect.age += own;
  const Nanos patience =
      suspect.expects_layer ? std::max(kLayerPatience, driver_start_ + kStartSlack) : kPatience;
  if (suspect.age < patience) return false;
  stop(run, pid, *mapped);
  return true;
}

Nanos Watchdog::own_step(const ProcessStat& stat, Suspect* suspect) const {
  auto progress = read_progress(stat.pid);
  if (!progress.ok()) return static_cast<Nanos>(static_cast<double>(step_) * expected_cpu());
  const Nanos own = own_time(step_, suspect->progress, *progress, stat.state == 'S');
  suspect->progress = *progress;
  return own;
}

void Watchdog::stop(Run* run, pid_t pid, const std::string& file) {
  const std::string command = command_of(pid);
  auto pidfd = open_pidfd(pid);
  auto stat = read_stat(pid);
  // It may have attached or ended while we looked; the pidfd was taken before this check, so it is
  // the process we mean.
  if (!pidfd.ok() || !stat.ok() || attachments_->attached(pid)) return;
  auto member = run->members.find(pid);
  if (member == run->members.end() || member->second != stat->start) return;
  base::Status killed = kill_process(pidfd->get(), SIGKILL);
  std::string reason = command + " (pid " + std::to_string(pid) +
                       ") was stopped: it loaded the driver " + file +
                       " but not Flexai's layer, so its use could not be limited";
  if (!killed.ok()) reason += "; stopping it failed: " + killed.error().message;
  run->add_stopped(Stopped{pid, reason + "; see `flexai run --help`"});
  events_->add("unmetered", "run " + std::to_string(run->stored.id), reason);
}

}  // namespace flexai::agent
