// Agent: everything `flexaid` does, wired together. start() finds the cards, takes the locks,
// restores what an earlier agent left and opens the sockets; run() serves until stop(). Threads:
// start() and run() on one thread, which becomes the Loop's; stop() from any, also from a signal
// handler's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/card_lock.h"
#include "agent/child.h"
#include "agent/companion.h"
#include "agent/folders.h"
#include "agent/outside.h"
#include "base/clock.h"
#include "base/result.h"

namespace flexai::agent {

struct AgentConfig {
  Folders folders;
  std::vector<std::string> probes;
  ChildLimits probe_limits;
  std::string inject_folder;  // share/flexai/inject
  std::string libdir;
  std::string keeper_program;
  std::string worker_folder;  // of worker programs
  std::string worker_user;    // whom workers become, when the agent is root; empty: nobody else
  std::string worker_group;   // control group folder; empty: none of their own
  Outside outside;            // how keeper and workers outlive the container that this runs in
  std::string listen;         // "ADDRESS[:PORT]" for other hosts; empty: none
  std::string metrics;        // "HOST:PORT" for probes and metrics; empty: none
  std::string pki;            // folder of this host's certificate
  base::Nanos grace = 30 * base::kSecond;
  base::Nanos lease = 300 * base::kSecond;
  uint64_t tenant_cache = 1ull << 30;  // bytes that the workers of a tenant keep; 0: nothing
  std::string group;                   // of the sockets; empty: the user's own
  bool embedded = false;
  base::Nanos idle_exit = 0;  // leave after so long without slices, runs, callers; 0 = never
  bool reset_state = false;   // set a damaged checkpoint aside
  CardLockPlaces locks;
  MakeCompanion companion;  // none: the host is on its own
};

class Agent {
 public:
  static base::Result<std::unique_ptr<Agent>> start(AgentConfig config);
  ~Agent();

  const std::string& socket() const;
  uint16_t port() const;  // for other hosts; 0: none
  void run();
  void stop();

 private:
  struct Parts;
  explicit Agent(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace flexai::agent
