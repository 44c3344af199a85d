// HandedDoor: a worker's way in when it may not listen on the network itself: the agent hands it
// the connections that ask for its session (remote/appointment.h); each gets its TLS handshake and
// its greeting on a thread of its own, at most 64 at once and 8 of one address (as wire::Acceptor
// counts them): further ones are closed, and may come again. Leases and the order to end come the
// same way and wait for none of them.
// Threads: make() and the destructor on one; the callbacks run on the door's threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "remote/appointment.h"
#include "wire/acceptor.h"
#include "wire/host.h"

namespace flexai::remote {

class HandedDoor {
 public:
  struct Calls {
    std::function<void(std::vector<std::byte> lease)> on_lease;
    std::function<void(const std::string& why)> on_end;
    std::function<void()> on_tick;  // about once a second
    // Of links (links.h), both or none: who may come without a certificate, and has.
    wire::TlsContext::KeyNamed key_named = nullptr;
    std::function<base::Status(std::unique_ptr<wire::Transport>)> on_link = nullptr;
  };
  // `listener` listens (SOCK_SEQPACKET); `host` outlives the door.
  static base::Result<std::unique_ptr<HandedDoor>> make(base::Fd listener,
                                                        std::shared_ptr<wire::TlsContext> tls,
                                                        wire::Host& host, Calls calls);

 private:
  HandedDoor(std::shared_ptr<wire::TlsContext> tls, wire::Host& host, Calls calls);
  void take(base::Fd connection, wire::Acceptor::Greeting& greeting);
  void greet(base::Fd socket);
  bool enter(const std::string& source);
  void leave(const std::string& source);

  const std::shared_ptr<wire::TlsContext> tls_;
  wire::Host& host_;
  const Calls calls_;
  base::Mutex mutex_;
  wire::Greeted greeted_ FLEXAI_GUARDED_BY(mutex_);
  std::unique_ptr<wire::Acceptor> acceptor_;  // last: it uses the others
};

}  // namespace flexai::remote
