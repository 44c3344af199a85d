#include "wire/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/clock.h"
#include "wire/socket.h"

namespace flexai::wire {

using base::Code;
using base::Fd;
using base::kSecond;
using base::monotonic_now;

std::string source_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    return std::string(reinterpret_cast<const char*>(&in.sin_addr), sizeof in.sin_addr);
  }
  if (storage.ss_family != AF_INET6) return "";
  sockaddr_in6 in6{};
  std::memcpy(&in6, &storage, sizeof in6);
  const auto* bytes = reinterpret_cast<const char*>(&in6.sin6_addr);
  if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) return std::string(bytes + 12, 4);
  return std::string(bytes, 8);
}

int Greeted::of(const std::string& source) const {
  auto found = from_.find(source);
  return found == from_.end() ? 0 : found->second;
}

void Greeted::add(const std::string& source) {
  ++all_;
  if (!source.empty()) ++from_[source];
}

void Greeted::remove(const std::string& source) {
  --all_;
  if (auto found = from_.find(source); found != from_.end() && --found->second == 0)
    from_.erase(found);
}

base::Result<std::unique_ptr<Acceptor>> Acceptor::open(Fd listener, Options options, Serve serve) {
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return base::fail_errno("eventfd");
  const int flags = ::fcntl(listener.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return base::fail_errno("the listening socket");
  return std::unique_ptr<Acceptor>(
      new Acceptor(std::move(listener), std::move(stop), std::move(options), std::move(serve)));
}

Acceptor::Acceptor(Fd listener, Fd stop, Options options, Serve serve)
    : listener_(std::move(listener)),
      stop_(std::move(stop)),
      options_(std::move(options)),
      serve_(std::move(serve)),
      thread_([this] { run(); }) {}

void Acceptor::stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    changed_.notify_all();
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return serving_ == 0; });
}

void Acceptor::run() {
  base::Nanos tick = options_.tick ? monotonic_now() + kSecond : 0;
  for (;;) {
    wait_socket(listener_.get(), POLLIN, stop_.get(), tick);
    auto socket = accept_socket(listener_.get(), 1);  // whoever came may have gone
    if (tick != 0 && monotonic_now() >= tick) {
      options_.tick();
      tick = monotonic_now() + kSecond;
    }
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (!socket.ok() && socket.error().code == Code::kTimeout) continue;
    if (!socket.ok()) {
      // No descriptors, no memory: others may give some back.
      changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return stopping_; });
      continue;
    }
    std::string address = source_of(socket->get());
    if (options_.an_address != 0 && greeted_.of(address) >= options_.an_address) continue;
    changed_.wait(lock, [this] { return stopping_ || greeted_.all() < options_.greetings; });
    if (stopping_) return;
    greeted_.add(address);
    ++serving_;
    lock.unlock();
    start(std::move(socket).value(), std::move(address));
  }
}

void Acceptor::start(Fd socket, std::string address) {
  std::thread([this, socket = std::move(socket), address = std::move(address)]() mutable {
    {
      Greeting greeting(*this, std::move(address));
      serve_(std::move(socket), greeting);
    }
    std::lock_guard lock(mutex_);
    --serving_;
    changed_.notify_all();
  }).detach();
}

void Acceptor::Greeting::over() {
  if (over_) return;
  over_ = true;
  std::lock_guard lock(acceptor_.mutex_);
  acceptor_.greeted_.remove(address_);
  acceptor_.changed_.notify_all();
}

}  // namespace flexai::wire
