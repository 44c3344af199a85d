// HostSession: a worker's end of the one session that it is for: listens, admits one client and
// watches it. A client on the same host is known to be gone when its process has ended; one of
// another host shows a certificate of the session's own authority and a lease of the agent's, and
// the session ends when the lease has expired or the agent says so.
// Threads: open() and wait() on one. Errors name the endpoint.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "remote/handed_door.h"
#include "remote/links.h"
#include "wire/door.h"

namespace flexai::remote {

struct HostSessionOptions {
  wire::Version version;
  std::string pki;                         // folder of certificates, for a tls: endpoint
  base::Nanos patience = 0;                // how long the client may take to come; 0: for ever
  base::Nanos grace = 30 * base::kSecond;  // how long a session is kept without a connection
  Links* links = nullptr;  // of the session, for one whose connections are handed over; outlives it
};

class HostSession {
 public:
  static base::Result<std::unique_ptr<HostSession>> open(const wire::Endpoint& endpoint,
                                                         HostSessionOptions options);
  // On a socket that the agent listens on for it. With an appointment connections are handed over
  // it; without one, programs of this host connect to it.
  static base::Result<std::unique_ptr<HostSession>> open_on(base::Fd listener,
                                                            std::optional<Appointment> appointment,
                                                            HostSessionOptions options);
  ~HostSession();

  const wire::Endpoint& endpoint() const;
  base::Result<std::shared_ptr<wire::Session>> wait();  // for the client

  // For an appointment that adopts, instead of wait(): the connection of the host that hands the
  // session on, once it has shown the ticket. Then, when the session was made here, it is let in.
  bool adopts() const { return appointment_ && appointment_->adopts(); }
  base::Result<std::unique_ptr<wire::Transport>> wait_handover();
  base::Result<std::shared_ptr<wire::Session>> adopt(const wire::SessionState& state,
                                                     const wire::Peer& peer);

 private:
  explicit HostSession(HostSessionOptions options);
  wire::HostOptions host_options();
  base::Result<std::vector<std::byte>> admit(const wire::Hello& hello, const wire::Peer& peer);
  base::Status check_lease(wire::Bytes token) FLEXAI_REQUIRES(mutex_);
  void given_up(const wire::Peer& peer);
  void renew(std::vector<std::byte> token);
  void check_expiry();
  void end(wire::RefusalCode code, const std::string& why);
  void took(std::shared_ptr<wire::Session> session);
  base::Status hand_over(std::unique_ptr<wire::Transport> transport, wire::Bytes ticket);
  base::Status come(base::Nanos end);
  void watch(int pid);

  const HostSessionOptions options_;
  std::optional<Appointment> appointment_;
  std::unique_ptr<wire::Host> host_;
  base::Mutex mutex_;
  bool admitted_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::unique_ptr<wire::Transport> handover_ FLEXAI_GUARDED_BY(mutex_);
  std::shared_ptr<wire::Session> session_ FLEXAI_GUARDED_BY(mutex_);
  int64_t expires_ FLEXAI_GUARDED_BY(mutex_) = 0;  // seconds since 1970; 0: never
  std::string ended_ FLEXAI_GUARDED_BY(mutex_);    // why, before there was a session
  std::atomic<uint32_t> there_{0};                 // futex
  base::Fd stop_;                                  // eventfd: ends the watcher
  std::thread watcher_;
  std::unique_ptr<wire::Door> door_;  // last: it uses the others
  std::unique_ptr<HandedDoor> handed_;
};

}  // namespace flexai::remote
