// The connection to the worker, as the launcher set it in the environment: FLEXAI_WORKER, the
// worker's endpoint or "door:PATH", which gives one (remote/worker_door.h); FLEXAI_LEASE, a file
// with the session's lease, opaque here; FLEXAI_PKI, the folder of the certificates, for endpoints
// that need them. Threads: any.
#pragma once

#include <functional>
#include <memory>

#include "wire/session.h"

namespace flexai::remote::opencl {

inline constexpr const char* kEnvWorker = "FLEXAI_WORKER";
inline constexpr const char* kEnvLease = "FLEXAI_LEASE";
inline constexpr const char* kEnvPki = "FLEXAI_PKI";

base::Result<std::unique_ptr<wire::Session>> connect_session(
    std::function<void(const base::Error&)> on_end);

}  // namespace flexai::remote::opencl
