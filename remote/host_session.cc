#include "remote/host_session.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/futex.h"
#include "wire/pki.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::MutexLock;

HostSession::HostSession(HostSessionOptions options)
    : options_(std::move(options)), stop_(::eventfd(0, EFD_CLOEXEC)) {}

base::Result<std::unique_ptr<HostSession>> HostSession::open(const wire::Endpoint& endpoint,
                                                             HostSessionOptions options) {
  std::unique_ptr<HostSession> made(new HostSession(std::move(options)));
  std::shared_ptr<wire::TlsContext> tls;
  if (endpoint.carrier == wire::Carrier::kTls) {
    FLEXAI_TRY_ASSIGN(auto identity, wire::load_identity(made->options_.pki));
    FLEXAI_TRY_ASSIGN(tls, wire::TlsContext::make(identity, wire::TlsRole::kHost));
  }
  wire::HostOptions host;
  host.session.version = made->options_.version;
  host.admit = [self = made.get()](const wire::Hello&,
                                   const wire::Peer&) -> base::Result<std::vector<std::byte>> {
    MutexLock lock(self->mutex_);
    if (self->admitted_) return fail(Code::kExhausted, "this worker has its client");
    self->admitted_ = true;
    return std::vector<std::byte>{};
  };
  host.on_session = [self = made.get()](auto session) { self->took(std::move(session)); };
  made->host_ = std::make_unique<wire::Host>(std::move(host));
  FLEXAI_TRY_ASSIGN(made->door_, wire::Door::open(endpoint, tls, *made->host_));
  return made;
}

HostSession::~HostSession() {
  door_.reset();
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  if (watcher_.joinable()) watcher_.join();
}

void HostSession::took(std::shared_ptr<wire::Session> session) {
  const int pid = session->peer().pid;
  {
    MutexLock lock(mutex_);
    session_ = std::move(session);
  }
  if (pid != 0) watch(pid);
  there_.store(1, std::memory_order_release);
  base::futex_wake(&there_, 1);
}

void HostSession::watch(int pid) {
  base::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return;
  watcher_ = std::thread([this, process = std::move(process)] {
    pollfd both[] = {{process.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    while (::poll(both, 2, -1) < 0) {
    }
    if (both[1].revents != 0) return;
    std::shared_ptr<wire::Session> session;
    {
      MutexLock lock(mutex_);
      session = session_;
    }
    session->end({.code = wire::RefusalCode::kEnded, .text = "the client's process has ended"});
  });
}

base::Result<std::shared_ptr<wire::Session>> HostSession::wait() {
  const base::Nanos end = options_.patience == 0 ? 0 : base::monotonic_now() + options_.patience;
  while (there_.load(std::memory_order_acquire) == 0) {
    if (!base::futex_wait(&there_, 0, end) && end != 0 && base::monotonic_now() >= end)
      return fail(Code::kTimeout, "no client came to " + text_of(endpoint()));
  }
  MutexLock lock(mutex_);
  return session_;
}

}  // namespace flexai::remote
