#include "remote/host_session.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/futex.h"
#include "base/log.h"
#include "wire/pki.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::MutexLock;

namespace {
constexpr int kEnding = 1000;  // ms that a process may take to end when its connection has
}

HostSession::HostSession(HostSessionOptions options)
    : options_(std::move(options)), stop_(::eventfd(0, EFD_CLOEXEC)) {}

wire::HostOptions HostSession::host_options() {
  wire::HostOptions host;
  host.session.version = options_.version;
  host.session.grace = options_.grace;
  if (options_.links != nullptr) host.session.features = kLinkFeature;
  host.admit = [this](const wire::Hello& hello, const wire::Peer& peer) {
    return admit(hello, peer);
  };
  host.on_given_up = [this](const wire::Peer& peer) { given_up(peer); };
  host.on_session = [this](auto session) { took(std::move(session)); };
  host.on_adopt = [this](auto transport, wire::Bytes ticket) {
    return hand_over(std::move(transport), ticket);
  };
  return host;
}

base::Result<std::unique_ptr<HostSession>> HostSession::open(const wire::Endpoint& endpoint,
                                                             HostSessionOptions options) {
  std::unique_ptr<HostSession> made(new HostSession(std::move(options)));
  std::shared_ptr<wire::TlsContext> tls;
  if (endpoint.carrier == wire::Carrier::kTls) {
    FLEXAI_TRY_ASSIGN(auto identity, wire::load_identity(made->options_.pki));
    FLEXAI_TRY_ASSIGN(tls, wire::TlsContext::make(identity, wire::TlsRole::kHost));
  }
  made->host_ = std::make_unique<wire::Host>(made->host_options());
  FLEXAI_TRY_ASSIGN(made->door_, wire::Door::open(endpoint, tls, *made->host_));
  return made;
}

base::Result<std::unique_ptr<HostSession>> HostSession::open_on(
    base::Fd listener, std::optional<Appointment> appointment, HostSessionOptions options) {
  std::unique_ptr<HostSession> made(new HostSession(std::move(options)));
  made->host_ = std::make_unique<wire::Host>(made->host_options());
  HostSession* self = made.get();
  if (!appointment) {
    FLEXAI_TRY_ASSIGN(
        made->door_, wire::Door::on(std::move(listener), {wire::Carrier::kShared, "session", 0, ""},
                                    *made->host_));
    return made;
  }
  made->appointment_ = std::move(appointment);
  FLEXAI_TRY_ASSIGN(auto tls,
                    wire::TlsContext::make(made->appointment_->identity, wire::TlsRole::kHost));
  {
    MutexLock lock(made->mutex_);
    FLEXAI_TRY(made->check_lease(made->appointment_->lease));
  }
  HandedDoor::Calls calls;
  calls.on_lease = [self](auto token) { self->renew(std::move(token)); };
  calls.on_end = [self](const std::string& why) { self->end(wire::RefusalCode::kEnded, why); };
  calls.on_tick = [self] { self->check_expiry(); };
  if (Links* links = made->options_.links; links != nullptr) {
    calls.key_named = [links](const std::string& name) { return links->key_named(name); };
    calls.on_link = [links](auto transport) { return links->take_in(std::move(transport)); };
  }
  FLEXAI_TRY_ASSIGN(made->handed_, HandedDoor::make(std::move(listener), std::move(tls),
                                                    *made->host_, std::move(calls)));
  return made;
}

HostSession::~HostSession() {
  handed_.reset();
  door_.reset();
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  if (watcher_.joinable()) watcher_.join();
}

const wire::Endpoint& HostSession::endpoint() const {
  static const wire::Endpoint kHanded{wire::Carrier::kTls, "the agent's port", 0, ""};
  return door_ != nullptr ? door_->endpoint() : kHanded;
}

base::Result<std::vector<std::byte>> HostSession::admit(const wire::Hello& hello,
                                                        const wire::Peer& peer) {
  MutexLock lock(mutex_);
  if (admitted_ || (appointment_ && appointment_->adopts()))
    return fail(Code::kExhausted, "this worker has its client");
  if (appointment_) {
    if (peer.subject != appointment_->client)
      return fail(Code::kDenied,
                  "this session is for " + appointment_->client + ", not for " + peer.subject);
    FLEXAI_TRY(check_lease(hello.lease));
  }
  admitted_ = true;
  return std::vector<std::byte>{};
}

// It may come again. One whose process has ended, or is about to, does not.
void HostSession::given_up(const wire::Peer& peer) {
  {
    MutexLock lock(mutex_);
    admitted_ = false;
  }
  if (peer.pid == 0) return;
  const base::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  if (!process.valid() ? errno != ESRCH : ::poll(&ended, 1, kEnding) != 1) return;
  {
    MutexLock lock(mutex_);
    if (admitted_) return;  // another one came meanwhile
  }
  end(wire::RefusalCode::kEnded, "the client's process has ended");
}

base::Status HostSession::check_lease(wire::Bytes token) {
  FLEXAI_TRY_ASSIGN(const wire::Lease lease,
                    wire::verify(token, appointment_->issuer, ::time(nullptr)));
  if (lease.session != appointment_->session)
    return fail(Code::kDenied, "the lease is for session " + lease.session);
  expires_ = std::max(expires_, lease.expires);
  return {};
}

void HostSession::renew(std::vector<std::byte> token) {
  MutexLock lock(mutex_);
  const auto checked = check_lease(token);
  if (!checked.ok())
    base::log(base::Level::kWarn, "worker", "lease not taken", {{"why", checked.error().message}});
}

void HostSession::check_expiry() {
  {
    MutexLock lock(mutex_);
    if (expires_ == 0 || ::time(nullptr) <= expires_) return;
  }
  end(wire::RefusalCode::kEnded, "the lease has expired: the agent of the card's host is gone");
}

void HostSession::end(wire::RefusalCode code, const std::string& why) {
  std::shared_ptr<wire::Session> session;
  {
    MutexLock lock(mutex_);
    session = session_;
    if (session == nullptr) ended_ = why;
  }
  if (session != nullptr) return session->end({.code = code, .text = why});
  there_.store(1, std::memory_order_release);
  base::futex_wake(&there_, 1);
}

void HostSession::took(std::shared_ptr<wire::Session> session) {
  const int pid = session->peer().pid;
  std::string ended;
  {
    MutexLock lock(mutex_);
    ended = ended_;  // while it was being greeted
    if (ended.empty()) session_ = session;
  }
  if (!ended.empty()) return session->end({.code = wire::RefusalCode::kEnded, .text = ended});
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

base::Status HostSession::come(base::Nanos end) {
  while (there_.load(std::memory_order_acquire) == 0) {
    if (!base::futex_wait(&there_, 0, end) && end != 0 && base::monotonic_now() >= end)
      return fail(Code::kTimeout, "no client came to " + text_of(endpoint()));
  }
  return {};
}

base::Result<std::shared_ptr<wire::Session>> HostSession::wait() {
  FLEXAI_TRY(come(options_.patience == 0 ? 0 : base::monotonic_now() + options_.patience));
  MutexLock lock(mutex_);
  if (session_ == nullptr) return fail(Code::kUnavailable, ended_);
  return session_;
}

base::Status HostSession::hand_over(std::unique_ptr<wire::Transport> transport,
                                    wire::Bytes ticket) {
  MutexLock lock(mutex_);
  Ticket shown{};
  if (ticket.size() == shown.size()) std::copy(ticket.begin(), ticket.end(), shown.begin());
  if (!appointment_ || !appointment_->adopts() ||
      !wire::equal_secret(shown, appointment_->ticket) ||
      transport->peer().subject != appointment_->client)
    return fail(Code::kDenied, transport->peer().name + " shows no ticket of this worker");
  if (std::exchange(admitted_, true))
    return fail(Code::kDenied, "the ticket of this worker was used");
  handover_ = std::move(transport);
  there_.store(1, std::memory_order_release);
  base::futex_wake(&there_, 1);
  return {};
}

base::Result<std::unique_ptr<wire::Transport>> HostSession::wait_handover() {
  FLEXAI_TRY(come(options_.patience == 0 ? 0 : base::monotonic_now() + options_.patience));
  MutexLock lock(mutex_);
  if (handover_ == nullptr) return fail(Code::kUnavailable, ended_);
  return std::move(handover_);
}

base::Result<std::shared_ptr<wire::Session>> HostSession::adopt(const wire::SessionState& state,
                                                                const wire::Peer& peer) {
  wire::SessionOptions options;
  options.version = options_.version;
  if (options_.links != nullptr) options.features = kLinkFeature;
  FLEXAI_TRY_ASSIGN(std::shared_ptr<wire::Session> session,
                    wire::Session::adopt(state, peer, std::move(options)));
  {
    MutexLock lock(mutex_);
    if (!ended_.empty()) return fail(Code::kUnavailable, ended_);
    session_ = session;
  }
  host_->take_in(session);
  return session;
}

}  // namespace flexai::remote
