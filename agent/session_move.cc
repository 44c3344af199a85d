// Sessions of programs of this host that go on at another one.
#include "agent/sessions.h"
#include "base/log.h"

namespace flexai::agent {

using base::Fd;

void Sessions::send_away(Run* run, const StoredAway& there,
                         const std::map<std::string, std::string>& names) {
  Run* left = runs_->send_away(run, there, config_.issuer);
  std::vector<LentDoor::Process> programs;
  for (auto& [name, session] : sessions_) {
    if (session.run != run->stored.id) continue;
    session.run = left->stored.id;
    base::Status noted = note(session);
    if (!noted.ok())
      base::log(base::Level::kError, "sessions", "what has moved is not written",
                {{"session", name}, {"why", noted.error().message}});
    auto at = names.find(name);
    // Whose process is not known: its session there ends with the run.
    if (at == names.end() || !session.client.valid()) continue;
    auto process = session.client.duplicate();
    if (process.ok()) programs.push_back({std::move(*process), at->second});
  }
  if (auto door = doors_.find(run->stored.id); door != doors_.end())
    loop_->unwatch(door->second.listener.get());
  lead_away(*run, std::move(programs));
  runs_->finish(left->stored.id);
}

void Sessions::lead_away(const Run& run, std::vector<LentDoor::Process> programs) {
  auto door = doors_.find(run.stored.id);
  if (door == doors_.end()) return;  // a run without one has no sessions
  auto away = AwayDoor::open(run.stored.away, config_.pki, std::move(door->second.listener),
                             std::move(programs), config_.grace / 4);
  door->second.listener.reset();
  if (away.ok()) {
    door->second.away = std::move(*away);
    return;
  }
  base::log(base::Level::kError, "sessions", "no way to where the run goes on",
            {{"host", run.stored.away.host}, {"why", away.error().message}});
}

}  // namespace flexai::agent
