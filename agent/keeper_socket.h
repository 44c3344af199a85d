// The keeper's socket: its address and messages with at most one descriptor. Used by both sides.
// Threads: any.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::agent {

// An address of any length: it goes through the open folder, because sun_path has only 108 bytes.
struct KeeperAddress {
  base::Fd folder;  // must stay open while the address is used
  sockaddr_un address;
};
base::Result<KeeperAddress> keeper_address(const std::string& state_dir);

// `fd` -1: without one. Never blocks; false when the message could not be sent whole.
bool send_with_fd(int connection, const void* data, size_t size, int fd);
// One message, without blocking. 0 or less: the other side is gone, or errno (EAGAIN). A message
// longer than `size` counts as that of a stranger: -1 with EBADMSG. Surplus descriptors are closed.
ssize_t receive_with_fd(int connection, void* data, size_t size, base::Fd* fd);

}  // namespace flexai::agent
