#include "remote/worker_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "wire/patience.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Result;

namespace {

// All of them are taken, so that none is left open; how many there were.
size_t take_files(msghdr& message, Fd& file) {
  size_t files = 0;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i, ++files) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(each) + i * sizeof fd, sizeof fd);
      file = Fd(fd);
    }
  }
  return files;
}

}  // namespace

Result<Fd> connect_worker(const std::string& path, int flags) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::kInvalid, "socket path " + path + " is longer than 107 bytes");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
  return fail(nobody ? Code::kNotFound : Code::kUnavailable,
              path + ": " + std::string(strerror(errno)));
}

Result<SocketMessage> receive_message(int socket, size_t most, base::Nanos deadline) {
  SocketMessage read;
  read.bytes.resize(most);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
  iovec part{read.bytes.data(), most};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t n = -1;
  wire::Patience patience(deadline, base::monotonic_now());
  for (;;) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n >= 0) break;
    if (errno != EAGAIN && errno != EINTR) return fail_errno("recvmsg");
    const base::Nanos now = base::monotonic_now();
    if (patience.over(now)) return fail(Code::kTimeout, "no message");
    wire::wait_socket(socket, POLLIN, -1, patience.next(now));
  }
  const size_t files = take_files(message, read.file);
  if (n == 0) return fail(Code::kUnavailable, "the other end is gone");
  if (files > 1 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Code::kCorrupt, "a message that is too long, or with too much");
  read.bytes.resize(static_cast<size_t>(n));
  return read;
}

}  // namespace flexai::remote
