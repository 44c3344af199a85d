// The sockets on which an agent and its workers talk: SOCK_SEQPACKET, a message or two a
// connection, each with at most one descriptor. Nothing is kept open, as the agent may be another
// process each time. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace flexai::remote {

// `flags` as for socket(2), such as SOCK_NONBLOCK. kNotFound: nobody listens at `path`.
base::Result<base::Fd> connect_worker(const std::string& path, int flags = 0);

struct SocketMessage {
  std::vector<std::byte> bytes;  // at least one
  base::Fd file;                 // when one came along
};

// The next message, waited for until `deadline`. kTimeout: none came; kUnavailable: the peer is
// gone; kCorrupt: longer than `most` bytes, or with more than one descriptor.
base::Result<SocketMessage> receive_message(int socket, size_t most, base::Nanos deadline);

}  // namespace flexai::remote
