// Deleting a slice: refused while it is used, or (?force=1) after its users have been stopped.
#include <signal.h>

#include <algorithm>

#include "agent/api.h"
#include "limit/ledger.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::Nanos;
using nlohmann::json;

namespace {

constexpr Nanos kLookAgain = 10 * base::kMillisecond;
constexpr Nanos kPatience = base::kSecond;           // for what a program leaves behind
constexpr Nanos kForcePatience = 5 * base::kSecond;  // for what was killed
constexpr size_t kMostNames = 4;

base::Result<bool> wants_force(const Call& call) {
  auto it = call.query.find("force");
  if (it == call.query.end() || it->second == "0") return false;
  if (it->second == "1") return true;
  return fail(Code::kInvalid, "query \"force\" must be 0 or 1");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostNames; ++i)
    text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > kMostNames)
    text += " and " + std::to_string(names.size() - kMostNames) + " more";
  return text;
}

std::string named(pid_t pid) { return command_of(pid) + " (pid " + std::to_string(pid) + ")"; }

}  // namespace

// One request to delete a slice, until it is answered.
struct Api::Removal {
  Request call;
  Reply reply;
  Nanos until = 0;
  bool force = false;
  uint64_t slice = 0;
  uint64_t bytes = 0;  // held when the first user was stopped
  std::map<pid_t, std::string> stopped;
};

// Processes that use it, and `flexai run`s of which none is left.
std::vector<std::string> Api::users(const SliceEntry& entry) const {
  std::vector<std::string> names;
  for (const auto& [id, run] : runs_->all()) {
    const auto& slices = run->stored.slices;
    if (std::count(slices.begin(), slices.end(), entry.id) == 0) continue;
    if (!run->stored.host.empty())
      names.push_back("`flexai run` on " + run->stored.host);
    else if (run->members.empty() && !run->draining)
      names.push_back("`flexai run` (pid " + std::to_string(run->stored.pid) + ")");
  }
  for (const auto& [pid, run] : processes_in(entry)) names.push_back(named(pid));
  return names;
}

base::Status Api::unused(const SliceEntry& entry) const {
  if (attachments_->of_slice(entry.id).empty() && !runs_->uses(entry.id)) return {};
  const std::vector<std::string> names = users(entry);
  const std::string& name = entry.slice.name;
  return fail(Code::kConflict, "slice " + name + " is used by " +
                                   (names.empty() ? "a program that ends" : joined(names)) +
                                   "; end that first, or let `flexai slice delete " + name +
                                   " --force` stop it");
}

// Every process that runs in the slice, below `flexai run` or not, with its run when it has one.
std::map<pid_t, Run*> Api::processes_in(const SliceEntry& entry) const {
  std::map<pid_t, Run*> found;
  for (pid_t pid : attachments_->of_slice(entry.id)) found.emplace(pid, nullptr);
  for (const auto& [id, run] : runs_->all()) {
    const auto& slices = run->stored.slices;
    if (std::count(slices.begin(), slices.end(), entry.id) == 0) continue;
    for (const auto& [pid, start] : run->members)
      if (auto stat = read_stat(pid); stat.ok() && stat->start == start) found[pid] = run.get();
  }
  return found;
}

// Kills them; `flexai run` itself goes on: it tells its user why. A caller
// that is one of them would end before it is answered, so it is refused and nothing is killed.
base::Status Api::stop_users(Removal* removal, const SliceEntry& entry) {
  const std::string why = " was stopped: slice " + entry.slice.name + " was deleted with --force";
  const std::map<pid_t, Run*> victims = processes_in(entry);
  if (const pid_t caller = removal->call->peer.pid; victims.count(caller) != 0)
    return fail(Code::kConflict,
                "slice " + entry.slice.name + " is used by the caller itself, " + named(caller) +
                    ": --force would stop it; delete the slice from outside of it");
  for (uint64_t id : runs_->users_of(entry.id)) {
    sessions_->end_run(id, "slice " + entry.slice.name + " was deleted");
    // Nobody says goodbye for it here.
    if (Run* run = runs_->by_id(id); run != nullptr && !run->stored.host.empty()) runs_->finish(id);
  }
  for (const auto& [pid, run] : victims) {
    if (removal->stopped.count(pid) != 0) continue;
    const std::string name = named(pid);
    auto pidfd = open_pidfd(pid);
    if (!pidfd.ok() || has_ended(pidfd->get())) continue;
    base::Status killed = kill_process(pidfd->get(), SIGKILL);
    if (!killed.ok())
      return fail(Code::kDenied, name + " cannot be stopped: " + killed.error().message +
                                     "; end it, then delete the slice");
    removal->stopped[pid] = name;
    if (run != nullptr) run->add_stopped(Stopped{pid, name + why});
    events_->add("stopped", entry.slice.name, name + why);
  }
  return {};
}

void Api::delete_slice(const Request& call, const Reply& reply) {
  auto removal = std::make_shared<Removal>();
  removal->call = call;
  removal->reply = reply;
  auto force = wants_force(*call);
  if (!force.ok()) return reply->finish(force.error());
  removal->force = *force;
  removal->until = base::monotonic_now() + (*force ? kForcePatience : kPatience);
  auto entry = owned_slice(*call);
  if (!entry.ok()) return reply->finish(entry.error());
  removal->slice = (*entry)->id;
  try_delete(removal);
}

// A program that has just ended may leave processes that are about to: they get a second.
void Api::try_delete(const std::shared_ptr<Removal>& removal) {
  attachments_->check_ended();
  watchdog_->pass();
  SliceEntry* entry = slices_->by_id(removal->slice);
  // A throw-away slice goes by itself with its program.
  if (entry == nullptr) return finish_delete(*removal, {});
  base::Status used = unused(*entry);
  if (used.ok()) return finish_delete(*removal, slices_->remove(entry->slice.name));
  if (removal->force) {
    if (removal->bytes == 0 && entry->pages.valid())
      removal->bytes = limit::total_bytes(entry->tenant());
    entry->trouble = "it is being deleted";  // nothing new may start in it
    used = stop_users(removal.get(), *entry);
    if (!used.ok()) return give_up(*removal, used);
  }
  const Nanos now = base::monotonic_now();
  if (now >= removal->until || !(removal->force || runs_->only_draining(entry->id)))
    return give_up(*removal, used.ok() ? unused(*entry) : used);
  // A `flexai run` that does not say goodbye within its time has its run ended for it.
  if (removal->force && now >= removal->until - kForcePatience + kPatience)
    for (uint64_t id : runs_->users_of(entry->id)) runs_->finish(id);
  loop_->at(now + kLookAgain, [this, removal] {
    if (!removal->reply->finished()) try_delete(removal);
  });
}

void Api::give_up(const Removal& removal, const base::Status& why) {
  if (SliceEntry* entry = slices_->by_id(removal.slice); entry != nullptr && removal.force)
    entry->trouble = slices_->trouble_of(*entry);
  removal.reply->finish(why.error());
}

void Api::finish_delete(const Removal& removal, const base::Status& done) {
  if (!done.ok()) return give_up(removal, done);
  json stopped = json::array();
  for (const auto& [pid, name] : removal.stopped) stopped.push_back(name);
  removal.reply->finish(
      Answer{200, "", "", json{{"stopped", stopped}, {"returned_bytes", removal.bytes}}});
}

}  // namespace flexai::agent
