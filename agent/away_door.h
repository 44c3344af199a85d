// AwayDoor: the door of a run of this host whose slice has gone on at another one. It tells that
// host that the run lives, leads more processes of it there, and gives back what there is there
// when the run is over. Threads: one of its own does that; the calls below return at once, but for
// the destructor, which waits for a question under way.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/checkpoint.h"
#include "agent/lent_door.h"
#include "base/clock.h"
#include "base/fd.h"

namespace flexai::agent {

class AwayDoor {
 public:
  // `listener`: where the run's processes knock. `pki`: folder of our certificate. `period`:
  // between two words of ours. Connects to nothing yet.
  static base::Result<std::unique_ptr<AwayDoor>> open(const StoredAway& there,
                                                      const std::string& pki, base::Fd listener,
                                                      std::vector<LentDoor::Process> programs,
                                                      base::Nanos period);
  // Leaves all as it is there, for the agent that comes after us, unless end() was called.
  ~AwayDoor();
  AwayDoor(const AwayDoor&) = delete;
  AwayDoor& operator=(const AwayDoor&) = delete;

  void end();  // the run is over
  bool ended() const { return ended_; }

 private:
  AwayDoor(HostLink link, std::string run, base::Fd listener, base::Nanos period);

  LentDoor door_;
  base::Fd held_, hold_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace flexai::agent
