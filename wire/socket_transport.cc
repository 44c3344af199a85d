#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/hope.h"
#include "wire/socket.h"
#include "wire/socket_wait.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Fd;
using base::Nanos;
using base::Result;

namespace {

class SocketTransport final : public Transport {
 public:
  SocketTransport(Fd socket, SocketWait wait, Peer peer, bool local, Nanos look)
      : socket_(std::move(socket)),
        wait_(std::move(wait)),
        peer_(std::move(peer)),
        local_(local),
        hope_(look) {}

  Result<size_t> send(std::span<const iovec> parts) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = std::min<size_t>(parts.size(), 512);
    ssize_t n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return size_t{0};
    return over();
  }

  Result<size_t> receive(std::span<std::byte> into) override {
    ssize_t n = ::recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) return static_cast<size_t>(n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return size_t{0};
    return n == 0 ? fail(Code::kUnavailable, peer_.name + " closed the connection") : over();
  }

  void wait(unsigned events, Nanos deadline) override {
    const bool came = (events & kReadable) != 0 && hope_.look(deadline, [&] {
      return hope_.hopes() && wait_.look(socket_.get(), events);
    });
    if (!came) wait_.wait(socket_.get(), events, deadline);
  }
  void wake() override { wait_.wake(); }
  void shutdown() override { ::shutdown(socket_.get(), SHUT_RDWR); }
  void finish_sending() override { ::shutdown(socket_.get(), SHUT_WR); }
  const Peer& peer() const override { return peer_; }
  bool tells_end() const override { return local_; }

 private:
  base::Error over() const {
    return fail(Code::kUnavailable, base::fail_errno("connection to " + peer_.name).message);
  }

  const Fd socket_;
  SocketWait wait_;
  const Peer peer_;
  const bool local_;  // of this host
  Hope hope_;
};

}  // namespace

Result<SocketWait> SocketWait::make() {
  SocketWait wait;
  wait.event_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wait.event_.valid()) return base::fail_errno("eventfd");
  return wait;
}

namespace {

short polled(unsigned events) {
  short wanted = 0;
  if ((events & kReadable) != 0) wanted = static_cast<short>(wanted | POLLIN);
  if ((events & kWritable) != 0) wanted = static_cast<short>(wanted | POLLOUT);
  return wanted;
}

}  // namespace

void SocketWait::wait(int socket, unsigned events, Nanos deadline) {
  const int event = (events & kReadable) != 0 ? event_.get() : -1;
  if (wait_socket(socket, polled(events), event, deadline)) hear();
}

bool SocketWait::look(int socket, unsigned events) {
  pollfd fds[2] = {{socket, polled(events), 0}, {event_.get(), POLLIN, 0}};
  if (::poll(fds, 2, 0) <= 0) return false;
  if (fds[1].revents != 0) hear();
  return true;
}

void SocketWait::hear() {
  uint64_t count = 0;
  [[maybe_unused]] ssize_t n = ::read(event_.get(), &count, sizeof count);
}

void SocketWait::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(event_.get(), &one, sizeof one);
}

Result<std::unique_ptr<Transport>> make_socket_transport(Fd socket, Carrier carrier, Nanos look) {
  FLEXAI_TRY_ASSIGN(SocketWait wait, SocketWait::make());
  Peer peer = peer_of(socket.get(), carrier);
  return std::unique_ptr<Transport>(new SocketTransport(
      std::move(socket), std::move(wait), std::move(peer), carrier == Carrier::kUnix, look));
}

}  // namespace flexai::wire
