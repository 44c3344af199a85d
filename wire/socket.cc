#include "wire/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace flexai::wire {

using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;
using base::Nanos;
using base::Result;

namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

bool is_loopback(const Address& address) {
  if (address.family() == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof in);
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  sockaddr_in6 in6{};
  std::memcpy(&in6, &address.storage, sizeof in6);
  return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

Result<std::vector<Address>> resolve(const Endpoint& endpoint, bool passive) {
  if (endpoint.carrier == Carrier::kUnix || endpoint.carrier == Carrier::kShared) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (endpoint.place.empty() || endpoint.place.size() >= sizeof un.sun_path)
      return fail(Code::kInvalid, "a socket's path has 1 to 107 bytes: " + endpoint.place);
    std::memcpy(un.sun_path, endpoint.place.data(), endpoint.place.size());
    Address address;
    std::memcpy(&address.storage, &un, sizeof un);
    address.size = sizeof un;
    return std::vector<Address>{address};
  }
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  std::string port = std::to_string(endpoint.port);
  int rc = ::getaddrinfo(endpoint.place.c_str(), port.c_str(), &hints, &list);
  if (rc != 0)
    return fail(Code::kUnavailable, "host \"" + endpoint.place + "\": " + ::gai_strerror(rc));
  std::vector<Address> found;
  for (addrinfo* info = list; info != nullptr; info = info->ai_next) {
    Address address;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.size = info->ai_addrlen;
    found.push_back(address);
  }
  ::freeaddrinfo(list);
  return found;
}

base::Status allow(const Endpoint& endpoint, const Address& address) {
  if (endpoint.carrier != Carrier::kTcp || is_loopback(address)) return {};
  return fail(Code::kDenied,
              text_of(endpoint) + ": TCP without TLS is for loopback only; use tls:");
}

void set(int fd, int level, int name, int value) {
  // What a kernel does not know, a session does without.
  ::setsockopt(fd, level, name, &value, sizeof value);
}

void tune(int fd, int family) {
  if (family == AF_UNIX) return;
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 20000);
}

Result<Fd> connect_one(const Endpoint& endpoint, const Address& address, Nanos deadline) {
  FLEXAI_TRY(allow(endpoint, address));
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  tune(fd.get(), address.family());
  int error = ::connect(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    wait_socket(fd.get(), POLLOUT, -1, deadline);
    pollfd check{fd.get(), POLLOUT, 0};
    if (::poll(&check, 1, 0) == 0)
      return fail(Code::kTimeout, text_of(endpoint) + " does not answer");
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  // The host itself says that nobody listens: another answer than none.
  bool nobody = error == ECONNREFUSED || error == ENOENT;
  if (error != 0)
    return fail(nobody ? Code::kNotFound : Code::kUnavailable,
                text_of(endpoint) + ": " + std::strerror(error));
  return fd;
}

}  // namespace

Result<Fd> connect_socket(const Endpoint& endpoint, Nanos deadline) {
  FLEXAI_TRY_ASSIGN(auto addresses, resolve(endpoint, false));
  Result<Fd> result = fail(Code::kUnavailable, text_of(endpoint) + " has no address");
  for (const Address& address : addresses) {
    result = connect_one(endpoint, address, deadline);
    if (result.ok()) break;
  }
  return result;
}

Result<Fd> listen_socket(const Endpoint& endpoint) {
  FLEXAI_TRY_ASSIGN(auto addresses, resolve(endpoint, true));
  const Address& address = addresses.front();
  FLEXAI_TRY(allow(endpoint, address));
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (address.family() == AF_UNIX) {
    struct stat st {};
    bool there = ::lstat(endpoint.place.c_str(), &st) == 0 && S_ISSOCK(st.st_mode);
    if (there && connect_one(endpoint, address, base::monotonic_now() + base::kSecond).ok())
      return fail(Code::kConflict, text_of(endpoint) + ": somebody listens there");
    if (there) ::unlink(endpoint.place.c_str());
  } else {
    set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  }
  if (::bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), 128) != 0)
    return fail_errno("listening on " + text_of(endpoint));
  return fd;
}

Result<uint16_t> local_port(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return fail_errno("getsockname");
  sockaddr_in in{};  // the port is at the same place for both families
  std::memcpy(&in, &storage, sizeof in);
  return ntohs(in.sin_port);
}

Result<Fd> accept_socket(int listener, Nanos deadline) {
  for (;;) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) {
      sockaddr_storage storage{};
      socklen_t size = sizeof storage;
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
      tune(fd.get(), storage.ss_family);
      return fd;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) return fail_errno("accept");
    if (deadline != 0 && base::monotonic_now() >= deadline)
      return fail(Code::kTimeout, "nobody connected");
    wait_socket(listener, POLLIN, -1, deadline);
  }
}

bool peer_ends(int fd, Nanos within) {
  pollfd end{fd, POLLRDHUP, 0};
  const timespec left{within / base::kSecond, within % base::kSecond};
  return ::ppoll(&end, 1, &left, nullptr) > 0;
}

bool wait_socket(int fd, short events, int other, Nanos deadline) {
  pollfd fds[2] = {{fd, events, 0}, {other, POLLIN, 0}};
  timespec left{};
  if (deadline != 0) {
    Nanos nanos = std::max<Nanos>(deadline - base::monotonic_now(), 0);
    left = {nanos / base::kSecond, nanos % base::kSecond};
  }
  return ::ppoll(fds, 2, deadline != 0 ? &left : nullptr, nullptr) > 0 && fds[1].revents != 0;
}

}  // namespace flexai::wire
