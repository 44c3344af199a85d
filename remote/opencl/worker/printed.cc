#include "remote/opencl/worker/printed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

namespace flexai::remote::opencl {

using base::Fd;

Printed::Printed(std::function<void(wire::Bytes)> carry, Fd pipe, Fd stop)
    : carry_(std::move(carry)), pipe_(std::move(pipe)), stop_(std::move(stop)) {
  thread_ = std::thread([this] { run(); });
}

base::Result<std::unique_ptr<Printed>> Printed::take(std::function<void(wire::Bytes)> carry) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail_errno("pipe");
  Fd output(ends[0]);
  const Fd input(ends[1]);
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return base::fail_errno("eventfd");
  if (::dup2(input.get(), STDOUT_FILENO) < 0) return base::fail_errno("standard output");
  return std::unique_ptr<Printed>(
      new Printed(std::move(carry), std::move(output), std::move(stop)));
}

void Printed::drain() {
  base::MutexLock lock(mutex_);
  std::array<std::byte, 16384> bytes;
  for (;;) {
    const ssize_t got = ::read(pipe_.get(), bytes.data(), bytes.size());
    if (got <= 0) return;
    carry_({bytes.data(), static_cast<size_t>(got)});
  }
}

void Printed::run() {
  for (;;) {
    pollfd both[] = {{pipe_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(both, 2, -1) < 0 && errno != EINTR) return;
    if (both[1].revents != 0 || (both[0].revents & (POLLHUP | POLLERR)) != 0) return;
    drain();
  }
}

Printed::~Printed() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

}  // namespace flexai::remote::opencl
