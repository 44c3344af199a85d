// Transport over TLS on a socket. Small sends are gathered into one record.
// Threads: as Transport; OpenSSL's object is behind a lock that is never held while waiting.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "wire/transport.h"

struct ssl_st;

namespace flexai::wire {

// Does the handshake on `ssl` (taken over), which knows its role; until `deadline`. `anybody`: the
// peer need not show a certificate.
base::Result<std::unique_ptr<Transport>> shake_hands(base::Fd socket, ssl_st* ssl,
                                                     const std::string& host, bool anybody,
                                                     base::Nanos deadline);

}  // namespace flexai::wire
