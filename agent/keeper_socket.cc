#include "agent/keeper_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/keeper.h"

namespace flexai::agent {
namespace {

constexpr size_t kMostFds = 253;  // SCM_MAX_FD: room for all that a stranger can send
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMostFds)];
};

}  // namespace

base::Result<KeeperAddress> keeper_address(const std::string& state_dir) {
  KeeperAddress where{};
  where.folder = base::Fd(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!where.folder.valid()) return base::fail_errno("state folder " + state_dir);
  where.address.sun_family = AF_UNIX;
  ::snprintf(where.address.sun_path, sizeof where.address.sun_path, "/proc/self/fd/%d/%s",
             where.folder.get(), kKeeperSocket);
  return where;
}

bool send_with_fd(int connection, const void* data, size_t size, int fd) {
  iovec io{const_cast<void*>(data), size};
  Control control{};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  ssize_t sent = ::sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(size);
}

ssize_t receive_with_fd(int connection, void* data, size_t size, base::Fd* fd) {
  iovec io{data, size};
  Control control{};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t got = ::recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return got;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int raw = -1;
      memcpy(&raw, CMSG_DATA(h) + i * sizeof(int), sizeof raw);
      base::Fd owned(raw);
      if (!fd->valid()) *fd = std::move(owned);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    errno = EBADMSG;
    return -1;
  }
  return got;
}

}  // namespace flexai::agent
