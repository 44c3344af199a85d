// Door: accepts connections at an endpoint and has a Host serve each on a thread of its own, at
// most 64 handshakes at once, 32 of one address. Threads: make() and the destructor on one thread.
#pragma once

#include "wire/acceptor.h"
#include "wire/dial.h"
#include "wire/host.h"

namespace flexai::wire {

class Door {
 public:
  // Listens at once; `host` outlives the door.
  static base::Result<std::unique_ptr<Door>> open(const Endpoint& endpoint,
                                                  std::shared_ptr<TlsContext> tls, Host& host);
  // The same on a socket that listens already, at `endpoint`.
  static base::Result<std::unique_ptr<Door>> on(base::Fd listener, const Endpoint& endpoint,
                                                Host& host);
  // Destroyed, it stops listening and waits for handshakes under way.

  const Endpoint& endpoint() const { return endpoint_; }  // with the port that was taken

 private:
  static base::Result<std::unique_ptr<Door>> make(base::Fd listener, Endpoint endpoint,
                                                  std::shared_ptr<TlsContext> tls, Host& host);
  Door(Endpoint endpoint, std::shared_ptr<TlsContext> tls, Host& host);
  void serve(base::Fd socket);

  const Endpoint endpoint_;
  const std::shared_ptr<TlsContext> tls_;
  Host& host_;
  std::unique_ptr<Acceptor> acceptor_;  // last: it uses the others
};

}  // namespace flexai::wire
