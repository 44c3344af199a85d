// Starts the process that serves one session: with the socket it listens on, what it needs to know
// of its client, and the environment that puts it into its slice. Knows no API: which program it is
// says the injection file. Threads: any; does not block.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/injection.h"
#include "base/fd.h"

namespace flexai::agent {

struct WorkerStart {
  std::string program;
  std::string user;                 // whom it shall become; empty: nobody else
  long grace = 30;                  // seconds
  std::string group;                // folder of a control group to be in; empty: ours
  std::vector<std::string> before;  // a program that becomes it (agent/outside.h); empty: none
  std::vector<Variable> environment;
  base::Fd session;      // listens
  base::Fd orders;       // listens, see remote/worker_order.h
  base::Fd appointment;  // may be none
  base::Fd home;         // folder of its tenant; may be none, see agent/tenant_home.h
  std::string hide;      // folder in which it may touch nothing but that
  uint64_t keep = 0;     // bytes of programs that it may keep there
};

// The path of its home in a worker, and in the processes that it starts.
inline constexpr const char* kWorkerHome = "/proc/self/fd/6";

struct StartedWorker {
  pid_t pid = 0;
  base::Fd pidfd;
  base::Fd said;  // its standard output: one line when its client may come
};

base::Result<StartedWorker> start_worker(WorkerStart start);

// A listening unix socket for it at `path`, which only `uid` may connect to; kAnybody: all who
// reach the folder.
inline constexpr uint32_t kAnybody = UINT32_MAX;
base::Result<base::Fd> listen_for(const std::string& path, int type, uint32_t uid);

// A control group of its own below `parent` (version 1 or 2), its folder; empty where that cannot
// be. drop_group() removes it when nobody is in it any more; it takes the name of one of the host's
// (agent/host_group.h) as well.
std::string make_group(const std::string& parent, const std::string& name);
void drop_group(const std::string& folder);

}  // namespace flexai::agent
