#include "kube/net_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

namespace flexai::kube {
namespace {

using base::Code;

constexpr size_t kReadSize = 64 << 10;
constexpr int kReadsPerTurn = 8;  // then other connections and timers of the loop
// The kernel gives a connection up whose bytes are not acknowledged for so long.
constexpr int kUnackedMs = 20000;

std::string tls_reason(const std::string& before) {
  const char* text = ERR_reason_error_string(ERR_get_error());
  return before + (text != nullptr ? text : "broken");
}

void set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

NetStream::NetStream(base::Loop& loop, Peer peer, base::Nanos patience, Events events)
    : loop_(loop), peer_(std::move(peer)), patience_(patience), events_(std::move(events)) {}

NetStream::~NetStream() { drop(); }

void NetStream::drop() {
  loop_.cancel(timer_);
  timer_ = 0;
  if (socket_.valid()) loop_.unwatch(socket_.get());
  ssl_.reset();
  socket_.reset();
  interest_ = 0;
}

void NetStream::dial() { next_address(); }

void NetStream::next_address() {
  if (tried_ == peer_.addresses.size())
    return close(base::fail(Code::kUnavailable, peer_.name + ": no address"));
  const SocketAddress& address = peer_.addresses[tried_++];
  socket_ = base::Fd(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!socket_.valid()) return failed(base::fail_errno("connecting to " + peer_.name));
  set(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUnackedMs);
  state_ = State::kConnecting;
  timer_ = loop_.at(base::monotonic_now() + patience_, [this] {
    timer_ = 0;
    failed(base::fail(Code::kTimeout, "connecting to " + peer_.name + ": no answer"));
  });
  int done =
      ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
  if (done != 0 && errno != EINPROGRESS)
    return failed(base::fail_errno("connecting to " + peer_.name));
  listen(EPOLLOUT);
}

void NetStream::listen(uint32_t events) {
  if (interest_ == events) return;
  interest_ = events;
  auto status = loop_.watch(socket_.get(), events, [this](uint32_t what) { ready(what); });
  if (!status.ok()) close(status.error());
}

void NetStream::ready(uint32_t events) {
  switch (state_) {
    case State::kConnecting:
      return connected();
    case State::kHandshake:
      return shake();
    case State::kOpen:
      if ((events & EPOLLOUT) != 0 && wants_room_) {
        wants_room_ = false;
        listen(EPOLLIN);
        events_.writable();
        if (state_ != State::kOpen) return;
      }
      if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) read();
      return;
    default:
      return;
  }
}

void NetStream::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    errno = error;
    return failed(base::fail_errno("connecting to " + peer_.name));
  }
  if (!peer_.tls) return opened();
  auto ssl = make_ssl(*peer_.tls, socket_.get());
  if (!ssl.ok()) return close(ssl.error());
  ssl_ = std::move(*ssl);
  state_ = State::kHandshake;
  shake();
}

void NetStream::shake() {
  ERR_clear_error();
  int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    auto agreed = check_protocol(ssl_.get(), peer_.name);
    return agreed.ok() ? opened() : close(agreed.error());
  }
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
      return listen(EPOLLIN);
    case SSL_ERROR_WANT_WRITE:
      return listen(EPOLLOUT);
    default:
      return failed(handshake_error(ssl_.get(), peer_.name));
  }
}

void NetStream::opened() {
  loop_.cancel(timer_);
  timer_ = 0;
  state_ = State::kOpen;
  listen(EPOLLIN);
  if (state_ == State::kOpen) events_.open();
  // The server may have spoken together with the end of the handshake.
  if (state_ == State::kOpen && ssl_ != nullptr) read();
}

void NetStream::read() {
  char buffer[kReadSize];
  for (int turn = 0; state_ == State::kOpen; ++turn) {
    ssize_t size = 0;
    bool again = false;
    std::string why = " closed the connection";
    if (ssl_ != nullptr) {
      ERR_clear_error();
      size = SSL_read(ssl_.get(), buffer, sizeof buffer);
      int error = size > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), static_cast<int>(size));
      again = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
      if (error == SSL_ERROR_SSL) why = tls_reason(": TLS: ");
    } else {
      size = ::read(socket_.get(), buffer, sizeof buffer);
      again = size < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (again) return;
    if (size <= 0) return close(base::fail(Code::kUnavailable, peer_.name + why));
    events_.bytes({buffer, static_cast<size_t>(size)});
    // What OpenSSL has decrypted already wakes no epoll.
    bool held = state_ == State::kOpen && ssl_ != nullptr && SSL_pending(ssl_.get()) > 0;
    if (turn + 1 >= kReadsPerTurn && !held) return;
  }
}

size_t NetStream::write(std::string_view bytes) {
  size_t total = 0;
  while (total < bytes.size() && state_ == State::kOpen) {
    size_t left = std::min<size_t>(bytes.size() - total, 1 << 30);
    ssize_t size = 0;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      size = SSL_write(ssl_.get(), bytes.data() + total, static_cast<int>(left));
    } else {
      size = ::send(socket_.get(), bytes.data() + total, left, MSG_NOSIGNAL);
    }
    if (size <= 0) break;  // full, or broken: then reading says so
    total += static_cast<size_t>(size);
  }
  if (total < bytes.size() && state_ == State::kOpen) {
    wants_room_ = true;
    listen(EPOLLIN | EPOLLOUT);
  }
  return total;
}

void NetStream::failed(const base::Error& why) {
  drop();
  // A certificate is refused at one address as at the next.
  if (why.code == Code::kDenied || tried_ == peer_.addresses.size()) return close(why);
  next_address();
}

void NetStream::close(const base::Error& why) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  drop();
  events_.closed(why);
}

}  // namespace flexai::kube
