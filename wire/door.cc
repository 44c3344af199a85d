#include "wire/door.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/socket.h"

namespace flexai::wire {

using base::Code;
using base::Fd;
using base::kMillisecond;
using base::kSecond;
using base::monotonic_now;
using base::Result;

namespace {
constexpr int kMostHandshakes = 64;
}

Result<std::unique_ptr<Door>> Door::open(const Endpoint& endpoint, std::shared_ptr<TlsContext> tls,
                                         Host& host) {
  FLEXAI_TRY_ASSIGN(Fd listener, listen_socket(endpoint));
  Endpoint bound = endpoint;
  if (endpoint.carrier == Carrier::kTcp || endpoint.carrier == Carrier::kTls) {
    FLEXAI_TRY_ASSIGN(bound.port, local_port(listener.get()));
  }
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return base::fail_errno("eventfd");
  return std::unique_ptr<Door>(
      new Door(std::move(bound), std::move(tls), host, std::move(listener), std::move(stop)));
}

Result<std::unique_ptr<Door>> Door::on(Fd listener, const Endpoint& endpoint, Host& host) {
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return base::fail_errno("eventfd");
  const int flags = ::fcntl(listener.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return base::fail_errno("the listening socket");
  return std::unique_ptr<Door>(
      new Door(endpoint, nullptr, host, std::move(listener), std::move(stop)));
}

Door::Door(Endpoint endpoint, std::shared_ptr<TlsContext> tls, Host& host, Fd listener, Fd stop)
    : endpoint_(std::move(endpoint)),
      tls_(std::move(tls)),
      host_(host),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      thread_([this] { run(); }) {}

Door::~Door() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return serving_ == 0; });
}

void Door::run() {
  for (;;) {
    wait_socket(listener_.get(), POLLIN, stop_.get(), 0);
    auto socket = accept_socket(listener_.get(), 1);  // whoever came may have gone
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (!socket.ok() && socket.error().code == Code::kTimeout) continue;
    if (!socket.ok()) {
      // No descriptors, no memory: others may give some back.
      changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return stopping_; });
      continue;
    }
    changed_.wait(lock, [this] { return stopping_ || serving_ < kMostHandshakes; });
    if (stopping_) return;
    ++serving_;
    std::thread([this, fd = std::move(socket).value()]() mutable {
      serve(std::move(fd));
      std::lock_guard done(mutex_);
      --serving_;
      changed_.notify_all();
    }).detach();
  }
}

void Door::serve(Fd socket) {
  auto transport =
      greet_carrier(std::move(socket), endpoint_.carrier, tls_, monotonic_now() + 5 * kSecond);
  base::Status served =
      transport.ok() ? host_.serve(std::move(transport).value()) : base::Status(transport.error());
  if (!served.ok())
    base::log(base::Level::kInfo, "wire", "connection refused",
              {{"endpoint", text_of(endpoint_)}, {"why", served.error().message}});
}

}  // namespace flexai::wire
