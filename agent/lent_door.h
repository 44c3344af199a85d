// LentDoor: stands between programs of this host and the card of another one: whoever knocks gets a
// session from that host's agent, which is told that we are there and when a process with a session
// has ended (also by kill -9). It follows a run that goes on at another host. Threads: one, which
// serve() blocks; what it is given belongs to that thread from then on.
#pragma once

#include <atomic>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/host_link.h"
#include "base/clock.h"
#include "base/fd.h"
#include "remote/appointment.h"
#include "remote/link_letters.h"

namespace flexai::agent {

class LentDoor {
 public:
  // Where programs ask for sessions, and for links between them (remote/link_door.h; may be none).
  struct Doors {
    base::Fd sessions, links;
  };
  struct Process {
    base::Fd pidfd;
    std::string session;  // its name there
  };
  // `run`: its number there. `period`: between two words of ours.
  LentDoor(HostLink link, std::string run, Doors doors, base::Nanos period);

  // When the run is gone there, this asks for another one, which may be elsewhere; without it the
  // door closes then.
  struct Another {
    HostLink link;
    std::string run;
  };
  std::function<base::Result<Another>()> ask_again;
  // Set: serve() ends as soon as `held` does, and leaves run and sessions alone. From any thread
  // before `held` ends.
  std::atomic<bool> leaves_at_once{false};

  // One that has its session already. Before serve().
  void take(Process process);

  // Until `held` is readable or closed and the last process with a session has ended; then the run
  // is given back.
  void serve(int held);
  // For a moment: what it had is free for the next.
  void wait_until_gone();

 private:
  base::Result<nlohmann::json> post(const std::string& path, const std::string& body, int seconds);
  base::Status remove_once(const std::string& path);
  void remove(const std::string& path, const std::function<std::string()>& name);
  bool attend();
  bool attend_once();
  bool follow(const nlohmann::json& moved);
  void wait(int held, base::Nanos until, bool* over);
  bool waits(int program);
  void answer();
  void answer_link();
  base::Status link_to(const remote::LinkRequest& wanted);
  base::Result<remote::Introduction> introduce(std::string* name);

  HostLink link_;
  std::string run_;
  const Doors doors_;
  const base::Nanos period_;
  int held_ = -1;  // serve()'s
  std::vector<Process> clients_;
};

}  // namespace flexai::agent
