// Dialing a host, listening as one, over any carrier. Threads: any.
#pragma once

#include <memory>

#include "base/fd.h"
#include "wire/endpoint.h"
#include "wire/session.h"
#include "wire/tls_context.h"

namespace flexai::wire {

// Connects and does what the carrier needs first (TLS handshake, agreeing on shared memory).
// `tls` is needed for tls: only.
base::Result<std::unique_ptr<Transport>> dial(const Endpoint& endpoint,
                                              const std::shared_ptr<TlsContext>& tls,
                                              base::Nanos deadline);

Connector make_connector(Endpoint endpoint, std::shared_ptr<TlsContext> tls);

// The host's side of dial() on a connection just accepted. Over unix: and shm: endpoints the client
// chooses which of the two it is.
base::Result<std::unique_ptr<Transport>> greet_carrier(base::Fd socket, Carrier carrier,
                                                       const std::shared_ptr<TlsContext>& tls,
                                                       base::Nanos deadline);

}  // namespace flexai::wire
