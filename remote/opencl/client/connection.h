// The connection to the worker, as the launcher set it in the environment: FLEXAI_WORKER, the
// worker's endpoint or "door:PATH", which gives one, or "doors:FOLDER" (remote/knock.h), several of
// these with commas between them; FLEXAI_LEASE, a file with the session's lease, opaque here;
// FLEXAI_PKI, the folder of the certificates, for endpoints that need them. What a door gives
// brings both along. FLEXAI_STRICT, not empty: every call is asked, so that its error is its own;
// FLEXAI_COUNTS, a file that counts the calls. Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "remote/caller.h"
#include "wire/session.h"

namespace flexai::remote::opencl {

inline constexpr const char* kEnvWorker = "FLEXAI_WORKER";
inline constexpr const char* kEnvLease = "FLEXAI_LEASE";
inline constexpr const char* kEnvPki = "FLEXAI_PKI";

inline constexpr const char* kEnvStrict = "FLEXAI_STRICT";
inline constexpr const char* kEnvCounts = "FLEXAI_COUNTS";

bool wants_strict();
// The first bytes of the file, for as long as the process lives; null: nobody wants to know.
CallCounts* shared_counts();

// The workers of this program, at least one; "": FLEXAI_WORKER is not set.
std::vector<std::string> workers();
// Where a session is now, as this program reaches it. Any thread.
class Whereabouts {
 public:
  std::string endpoint() const;
  void set(std::string endpoint);

 private:
  mutable base::Mutex mutex_;
  std::string endpoint_ FLEXAI_GUARDED_BY(mutex_);
};

base::Result<std::unique_ptr<wire::Session>> connect_session(
    const std::string& worker, std::function<void(const base::Error&)> on_end,
    std::shared_ptr<Whereabouts> whereabouts);

// Closes the sessions, which are never destroyed, when the process ends in an orderly way: the
// other side then frees everything at once instead of after its grace.
void say_goodbye_at_exit(wire::Session* session);
bool leaving();  // that has begun

}  // namespace flexai::remote::opencl
