// NetDoor: the agent's port. Whoever connects says in the clear what it wants (the server name of
// its TLS hello): the name of a session is handed, unread, to that session's worker; everything
// else gets a TLS 1.3 handshake in which both sides show a certificate of the group's authority,
// and then HTTP (http_server.h). A session that is not there any more is answered in its stead.
//
// Certificates are read again when their files have changed. Threads: one accepts, one a
// connection; at most 128 at once whose handshake is not over, 32 of one address. open() and the
// destructor on one.
#pragma once

#include <memory>
#include <string>

#include "agent/http_server.h"
#include "agent/sessions.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "wire/acceptor.h"
#include "wire/endpoint.h"
#include "wire/tls_context.h"

namespace flexai::agent {

// "ADDRESS:PORT", "[ADDRESS]:PORT", "ADDRESS" or ":PORT"; without a port it is 7700.
inline constexpr uint16_t kDefaultPort = 7700;
base::Result<wire::Endpoint> parse_host(const std::string& text);

class NetDoor {
 public:
  // `pki` holds the host's certificate; without one nothing is opened.
  static base::Result<std::unique_ptr<NetDoor>> open(const wire::Endpoint& endpoint,
                                                     std::string pki, HttpServer* http,
                                                     const Sessions* sessions);
  uint16_t port() const { return port_; }
  // Nobody new; waits for those under way. Call while the Loop still runs, not on its thread.
  void stop() { acceptor_->stop(); }

 private:
  NetDoor(std::string pki, HttpServer* http, const Sessions* sessions, uint16_t port);
  void serve(base::Fd socket, wire::Acceptor::Greeting& greeting);
  base::Status greet(base::Fd socket, wire::Acceptor::Greeting& greeting);
  base::Status refuse(base::Fd socket, const std::string& session);
  base::Result<std::shared_ptr<wire::TlsContext>> context(wire::TlsRole role);

  const std::string pki_;
  HttpServer* const http_;
  const Sessions* const sessions_;
  const uint16_t port_;
  base::Mutex tls_mutex_;
  std::string stamp_ FLEXAI_GUARDED_BY(tls_mutex_);  // of the files
  std::shared_ptr<wire::TlsContext> host_ FLEXAI_GUARDED_BY(tls_mutex_);
  std::shared_ptr<wire::TlsContext> open_host_ FLEXAI_GUARDED_BY(tls_mutex_);
  std::unique_ptr<wire::Acceptor> acceptor_;  // last: it uses the others
};

}  // namespace flexai::agent
