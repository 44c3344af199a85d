// LentRun: a program of this host on a card of another one. A process of its own, the door, stands
// between the two: it gets each process of the program a session from the other host's agent, tells
// that agent that we are there, when a process has ended (also by kill -9), and when all is over.
// A run on several hosts has one of each.
// It goes on when `flexai run` itself is killed, until the last process with a session has ended.
// Threads: one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/cli/client.h"
#include "base/fd.h"

namespace flexai::apps {

class LentRun {
 public:
  // `run` is what the agent said of the new run; `runs` are those that were begun before for the
  // same program, and get it too. Changes the environment for the program that is started next.
  static base::Status begin(Client& client, const nlohmann::json& run, std::vector<LentRun>& runs);

  // The program has ended: waits, not for long, until what it had is given back.
  static void finish(std::vector<LentRun>& runs);

 private:
  std::string door_;
  base::Fd hold_;  // closed: the program has ended
  base::Fd over_;  // its end: the door has done its work
};

}  // namespace flexai::apps
