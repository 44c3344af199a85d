#include "agent/http_stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "agent/http_server.h"
#include "wire/exchange.h"

namespace flexai::agent {

using base::Nanos;

namespace {

constexpr size_t kMaxRequest = HttpServer::kMaxBody + (64 << 10);
constexpr Nanos kRequestTime = 10 * base::kSecond;

}  // namespace

SocketStream::SocketStream(int fd) : fd_(fd), deadline_(base::monotonic_now() + kRequestTime) {}

bool SocketStream::hung_up() {
  pollfd p{fd_, POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool SocketStream::is_readable() const { return wait(POLLIN, deadline_); }
bool SocketStream::is_writable() const {
  return wait(POLLOUT, base::monotonic_now() + kRequestTime);
}

ssize_t SocketStream::read(char* data, size_t size) {
  if (taken_ >= kMaxRequest || !is_readable()) return -1;
  ssize_t n = ::recv(fd_, data, std::min(size, kMaxRequest - taken_), 0);
  if (n > 0) taken_ += static_cast<size_t>(n);
  return n;
}

ssize_t SocketStream::write(const char* data, size_t size) {
  if (!is_writable()) return -1;
  return ::send(fd_, data, size, MSG_NOSIGNAL);
}

bool SocketStream::wait(short events, Nanos deadline) const {
  for (;;) {
    Nanos left = deadline - base::monotonic_now();
    if (left <= 0) return false;
    pollfd p{fd_, events, 0};
    int rc = ::poll(&p, 1, static_cast<int>(left / base::kMillisecond + 1));
    if (rc < 0 && errno == EINTR) continue;
    return rc > 0;
  }
}

TransportStream::TransportStream(wire::Transport& transport)
    : transport_(transport), deadline_(base::monotonic_now() + kRequestTime) {}

// Nothing more is due of a caller that waits for its answer: its end is all that can come.
bool TransportStream::hung_up() {
  std::byte byte{};
  return !transport_.receive({&byte, 1}).ok();
}

ssize_t TransportStream::read(char* data, size_t size) {
  size = std::min(size, kMaxRequest - std::min(taken_, kMaxRequest));
  while (size != 0) {
    auto got = transport_.receive(std::as_writable_bytes(std::span(data, size)));
    if (!got.ok()) return -1;
    if (*got != 0) {
      taken_ += *got;
      return static_cast<ssize_t>(*got);
    }
    if (base::monotonic_now() >= deadline_) return -1;
    transport_.wait(wire::kReadable, deadline_);
  }
  return -1;
}

ssize_t TransportStream::write(const char* data, size_t size) {
  auto sent = wire::send_all(transport_, std::as_bytes(std::span(data, size)),
                             base::monotonic_now() + kRequestTime);
  return sent.ok() ? static_cast<ssize_t>(size) : -1;
}

}  // namespace flexai::agent
