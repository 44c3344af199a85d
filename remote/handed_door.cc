#include "remote/handed_door.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/socket.h"

namespace flexai::remote {

using base::Fd;
using base::kSecond;
using base::monotonic_now;

namespace {

constexpr int kMostGreetings = 32;

// Of a connection that somebody else accepted.
void prepare(int socket) {
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags >= 0) ::fcntl(socket, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

base::Result<std::unique_ptr<HandedDoor>> HandedDoor::make(Fd listener,
                                                           std::shared_ptr<wire::TlsContext> tls,
                                                           wire::Host& host, Calls calls) {
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return base::fail_errno("eventfd");
  prepare(listener.get());
  return std::unique_ptr<HandedDoor>(
      new HandedDoor(std::move(listener), std::move(tls), host, std::move(calls), std::move(stop)));
}

HandedDoor::HandedDoor(Fd listener, std::shared_ptr<wire::TlsContext> tls, wire::Host& host,
                       Calls calls, Fd stop)
    : listener_(std::move(listener)),
      tls_(std::move(tls)),
      host_(host),
      calls_(std::move(calls)),
      stop_(std::move(stop)),
      thread_([this] { run(); }) {}

HandedDoor::~HandedDoor() {
  const uint64_t one = 1;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return greeting_ == 0; });
}

void HandedDoor::run() {
  base::Nanos tick = monotonic_now() + kSecond;
  for (;;) {
    wire::wait_socket(listener_.get(), POLLIN, stop_.get(), tick);
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    if (monotonic_now() >= tick) {
      tick = monotonic_now() + kSecond;
      calls_.on_tick();
    }
    Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.valid()) take(std::move(connection));
  }
}

void HandedDoor::take(Fd connection) {
  auto message = read_worker_message(connection.get(), monotonic_now() + kSecond);
  if (!message.ok())
    return base::log(base::Level::kInfo, "worker", "message dropped",
                     {{"why", message.error().message}});
  switch (message->word) {
    case WorkerWord::kLease:
      return calls_.on_lease(std::move(message->body));
    case WorkerWord::kEnd:
      return calls_.on_end(std::string(wire::text_of(wire::Bytes(message->body))));
    case WorkerWord::kConnection:
      break;
    default:
      return;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || greeting_ < kMostGreetings; });
  if (stopping_) return;
  ++greeting_;
  std::thread([this, socket = std::move(message->connection)]() mutable {
    greet(std::move(socket));
    std::lock_guard done(mutex_);
    --greeting_;
    changed_.notify_all();
  }).detach();
}

void HandedDoor::greet(Fd socket) {
  prepare(socket.get());
  auto transport = tls_->secure(std::move(socket), "", monotonic_now() + 5 * kSecond);
  base::Status served =
      transport.ok() ? host_.serve(std::move(transport).value()) : base::Status(transport.error());
  if (!served.ok())
    base::log(base::Level::kInfo, "worker", "connection refused",
              {{"why", served.error().message}});
}

}  // namespace flexai::remote
