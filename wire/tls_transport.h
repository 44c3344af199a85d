// Transport over TLS on a socket. Small sends are gathered into one record.
// Threads: as Transport; OpenSSL's object is behind a lock that is never held while waiting.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "wire/transport.h"

struct ssl_st;

namespace flexai::wire {

class TlsContext;

struct NewTls {
  ssl_st* ssl;  // taken over; knows its role
  std::shared_ptr<TlsContext> context;
};

// Does the handshake until `deadline`. `anybody`: the peer need not show a certificate.
base::Result<std::unique_ptr<Transport>> shake_hands(base::Fd socket, NewTls tls,
                                                     const std::string& host, bool anybody,
                                                     base::Nanos deadline);

}  // namespace flexai::wire
