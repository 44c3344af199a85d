// How flexai-worker gets its one session: a client's that is new here, or one that another host's
// worker hands on. Prints a line when whoever it is for may come. Threads: the first one, before
// others are started.
#pragma once

#include <memory>

#include "apps/worker_options.h"
#include "remote/host_session.h"
#include "remote/links.h"
#include "remote/opencl/worker/arrive.h"

namespace flexai::apps {

struct WorkerSession {
  std::unique_ptr<remote::Links> links;  // null: of a program of this host
  std::unique_ptr<remote::HostSession> door;
  remote::opencl::Arrived met;
};

base::Result<WorkerSession> begin_session(const WorkerOptions& options);

}  // namespace flexai::apps
