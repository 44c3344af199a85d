// Stream sockets: connecting, listening, and a Transport over one that is connected.
// Threads: as Transport. Nothing raises a signal.
#pragma once

#include <memory>
#include <vector>

#include "base/fd.h"
#include "wire/endpoint.h"
#include "wire/transport.h"

namespace flexai::wire {

// Connected, non-blocking, with the options sessions want (no delay, keepalive, user timeout).
// Resolving a name blocks for as long as the system's resolver does. kUnavailable, kTimeout;
// kDenied for plain TCP off loopback.
base::Result<base::Fd> connect_socket(const Endpoint& endpoint, base::Nanos deadline);

// A unix socket replaces one at its path that nobody listens on. Port 0 takes a free one: see
// local_port(). kDenied for plain TCP off loopback, kConflict when somebody listens there.
base::Result<base::Fd> listen_socket(const Endpoint& endpoint);
base::Result<uint16_t> local_port(int fd);

// A connection, non-blocking; kTimeout after `deadline` (0 = none).
base::Result<base::Fd> accept_socket(int listener, base::Nanos deadline);

// Waits with poll(2) for any of `events` on `fd`, or for `other` (-1: none) to be readable; whether
// that is.
bool wait_socket(int fd, short events, int other, base::Nanos deadline);

// Waits at most so long for the other side to end what it sends; whether it has. For a reader that
// only looks at what lies there: to it the socket is readable all the time.
bool peer_ends(int fd, base::Nanos within);

// One byte string together with descriptors, over a unix socket. receive fills `bytes` wholly and
// returns at most `most` descriptors, close-on-exec; more than that, or a short read, is kCorrupt.
base::Status send_with_fds(int socket, std::span<const std::byte> bytes, std::span<const int> fds);
base::Result<std::vector<base::Fd>> receive_with_fds(int socket, std::span<std::byte> bytes,
                                                     size_t most);

// Who is connected, for people and, over a unix socket, its user.
Peer peer_of(int socket, Carrier carrier);

// `look`: how long who waits for reading looks before he sleeps (hope.h).
base::Result<std::unique_ptr<Transport>> make_socket_transport(base::Fd socket, Carrier carrier,
                                                               base::Nanos look);

}  // namespace flexai::wire
