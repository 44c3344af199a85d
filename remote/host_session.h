// HostSession: a worker's end of the one session that it is for: listens, admits one client and
// watches it. A client on the same host is known to be gone when its process has ended.
// Threads: open() and wait() on one. Errors name the endpoint.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "wire/door.h"

namespace flexai::remote {

struct HostSessionOptions {
  wire::Version version;
  std::string pki;           // folder of certificates, for a tls: endpoint
  base::Nanos patience = 0;  // how long the client may take to come; 0: for ever
};

class HostSession {
 public:
  static base::Result<std::unique_ptr<HostSession>> open(const wire::Endpoint& endpoint,
                                                         HostSessionOptions options);
  ~HostSession();

  const wire::Endpoint& endpoint() const { return door_->endpoint(); }
  base::Result<std::shared_ptr<wire::Session>> wait();  // for the client

 private:
  explicit HostSession(HostSessionOptions options);
  void took(std::shared_ptr<wire::Session> session);
  void watch(int pid);

  const HostSessionOptions options_;
  std::unique_ptr<wire::Host> host_;
  base::Mutex mutex_;
  bool admitted_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::shared_ptr<wire::Session> session_ FLEXAI_GUARDED_BY(mutex_);
  std::atomic<uint32_t> there_{0};  // futex
  base::Fd stop_;                   // eventfd: ends the watcher
  std::thread watcher_;
  std::unique_ptr<wire::Door> door_;  // last: it uses the others
};

}  // namespace flexai::remote
