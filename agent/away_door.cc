#include "agent/away_door.h"

#include <fcntl.h>
#include <unistd.h>

namespace flexai::agent {

using base::Fd;

AwayDoor::AwayDoor(HostLink link, std::string run, Fd listener, base::Nanos period)
    : door_(std::move(link), std::move(run), {std::move(listener), {}}, period) {}

base::Result<std::unique_ptr<AwayDoor>> AwayDoor::open(const StoredAway& there,
                                                       const std::string& pki, Fd listener,
                                                       std::vector<LentDoor::Process> programs,
                                                       base::Nanos period) {
  FLEXAI_TRY_ASSIGN(HostLink link, HostLink::open(there.host, pki));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail_errno("pipe");
  std::unique_ptr<AwayDoor> made(
      new AwayDoor(std::move(link), std::to_string(there.run), std::move(listener), period));
  made->held_ = Fd(ends[0]);
  made->hold_ = Fd(ends[1]);
  for (LentDoor::Process& one : programs) made->door_.take(std::move(one));
  made->thread_ = std::thread([self = made.get()] {
    self->door_.serve(self->held_.get());
    self->ended_ = true;
  });
  return made;
}

void AwayDoor::end() { hold_.reset(); }

AwayDoor::~AwayDoor() {
  door_.leaves_at_once = true;
  hold_.reset();
  if (thread_.joinable()) thread_.join();
}

}  // namespace flexai::agent
