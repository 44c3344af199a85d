// Arrive: the worker's side of taking a session over from a worker of another host (handover.h).
// Every error ends this process, and the session stays where it was. Threads: one.
#pragma once

#include <memory>

#include "remote/host_session.h"
#include "remote/opencl/worker/rebuild.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

struct Arrived {
  std::shared_ptr<wire::Session> session;
  std::unique_ptr<Worker> worker;
};

// Returns when the client has come: before that nothing of it may be worked on, since it may still
// be served elsewhere.
base::Result<Arrived> arrive(HostSession& door, Granted granted);

}  // namespace flexai::remote::opencl
