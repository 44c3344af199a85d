#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "wire/socket.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Result;

namespace {

constexpr size_t kMostFds = 8;

std::string address_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "?";
  char text[INET6_ADDRSTRLEN] = "?";
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in.sin_port));
  }
  sockaddr_in6 in6{};
  std::memcpy(&in6, &storage, sizeof in6);
  ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6.sin6_port));
}

}  // namespace

Peer peer_of(int socket, Carrier carrier) {
  Peer peer;
  if (carrier == Carrier::kTcp || carrier == Carrier::kTls) {
    peer.name = (carrier == Carrier::kTcp ? "tcp:" : "tls:") + address_of(socket);
    return peer;
  }
  ucred cred{};
  socklen_t size = sizeof cred;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0) {
    peer.pid = cred.pid;
    peer.identity = "uid " + std::to_string(cred.uid);
  }
  peer.name = (carrier == Carrier::kShared ? "shm:pid " : "unix:pid ") + std::to_string(peer.pid);
  return peer;
}

base::Status send_with_fds(int socket, std::span<const std::byte> bytes, std::span<const int> fds) {
  if (fds.size() > kMostFds) return fail(Code::kInvalid, "too many descriptors at once");
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  ssize_t n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  if (n < 0) return fail_errno("sendmsg");
  if (static_cast<size_t>(n) != bytes.size())
    return fail(Code::kUnavailable, "the socket took a message in part");
  return {};
}

Result<std::vector<Fd>> receive_with_fds(int socket, std::span<std::byte> bytes, size_t most) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (n < 0) return fail_errno("recvmsg");
  std::vector<Fd> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  if (static_cast<size_t>(n) != bytes.size() || (message.msg_flags & MSG_CTRUNC) != 0 ||
      fds.size() > most)
    return fail(Code::kCorrupt, "a message that is too short or has too many descriptors");
  return fds;
}

}  // namespace flexai::wire
