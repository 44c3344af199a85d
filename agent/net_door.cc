#include "agent/net_door.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/client_hello.h"
#include "wire/host.h"
#include "wire/pki.h"
#include "wire/probe.h"
#include "wire/socket.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::Fd;
using base::kSecond;
using base::monotonic_now;

namespace {

constexpr int kMostGreetings = 128;
constexpr base::Nanos kGreeting = 5 * kSecond, kProbing = 60 * kSecond;

std::string stamp_of(const std::string& folder) {
  std::string stamp;
  for (const char* name : {"/host.crt", "/host.key", "/ca.crt", "/ca.crl"}) {
    struct stat st {};
    if (::stat((folder + name).c_str(), &st) != 0) st = {};
    stamp += std::to_string(st.st_ino) + "." + std::to_string(st.st_mtim.tv_sec) + "." +
             std::to_string(st.st_mtim.tv_nsec) + " ";
  }
  return stamp;
}

// Counts of this thread, given back once.
thread_local bool t_greeting = false;

}  // namespace

base::Result<wire::Endpoint> parse_host(const std::string& text) {
  const bool bracket = !text.empty() && text[0] == '[';
  const size_t colon = text.rfind(':');
  const bool has_port =
      colon != std::string::npos && (!bracket ? text.find(':') == colon : colon > text.find(']'));
  std::string full = has_port ? text : text + ":" + std::to_string(kDefaultPort);
  if (text.starts_with(':')) full = "0.0.0.0" + full;
  auto endpoint = wire::parse_endpoint("tls:" + full);
  if (!endpoint.ok() || !endpoint->name.empty())
    return fail(Code::kInvalid, "\"" + text +
                                    "\" is no host; write gpu1, gpu1:7700 or "
                                    "[fd00::1]:7700");
  return endpoint;
}

base::Result<std::unique_ptr<NetDoor>> NetDoor::open(const wire::Endpoint& endpoint,
                                                     std::string pki, HttpServer* http,
                                                     const Sessions* sessions) {
  auto listener = wire::listen_socket(endpoint);
  if (!listener.ok()) return std::move(listener).with_context("--listen").error();
  FLEXAI_TRY_ASSIGN(const uint16_t port, wire::local_port(listener->get()));
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return base::fail_errno("eventfd");
  std::unique_ptr<NetDoor> made(
      new NetDoor(std::move(pki), http, sessions, std::move(*listener), std::move(stop), port));
  auto identity = made->context(wire::TlsRole::kHost);
  if (!identity.ok())
    return fail(identity.error().code,
                "--listen needs this host's certificate: " + identity.error().message +
                    "; make one with `flexai host enroll`, or say where it is with --pki");
  made->thread_ = std::thread([door = made.get()] { door->run(); });
  return made;
}

NetDoor::NetDoor(std::string pki, HttpServer* http, const Sessions* sessions, Fd listener, Fd stop,
                 uint16_t port)
    : pki_(std::move(pki)),
      http_(http),
      sessions_(sessions),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      port_(port) {}

NetDoor::~NetDoor() { stop(); }

void NetDoor::stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return serving_ == 0; });
}

base::Result<std::shared_ptr<wire::TlsContext>> NetDoor::context(wire::TlsRole role) {
  base::MutexLock lock(tls_mutex_);
  const std::string stamp = stamp_of(pki_);
  if (stamp != stamp_ || host_ == nullptr) {
    FLEXAI_TRY_ASSIGN(const wire::TlsIdentity identity, wire::load_identity(pki_));
    FLEXAI_TRY_ASSIGN(auto host, wire::TlsContext::make(identity, wire::TlsRole::kHost));
    FLEXAI_TRY_ASSIGN(open_host_, wire::TlsContext::make(identity, wire::TlsRole::kOpenHost));
    host_ = std::move(host);
    stamp_ = stamp;
  }
  return role == wire::TlsRole::kHost ? host_ : open_host_;
}

void NetDoor::run() {
  for (;;) {
    wire::wait_socket(listener_.get(), POLLIN, stop_.get(), 0);
    auto socket = wire::accept_socket(listener_.get(), 1);
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (!socket.ok() && socket.error().code == Code::kTimeout) continue;
    if (!socket.ok()) {
      // No descriptors, no memory: others may give some back.
      changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return stopping_; });
      continue;
    }
    changed_.wait(lock, [this] { return stopping_ || greeting_ < kMostGreetings; });
    if (stopping_) return;
    ++greeting_;
    ++serving_;
    std::thread([this, fd = std::move(socket).value()]() mutable {
      t_greeting = true;
      serve(std::move(fd));
      handshake_over();
      std::lock_guard done(mutex_);
      --serving_;
      changed_.notify_all();
    }).detach();
  }
}

void NetDoor::handshake_over() {
  if (!t_greeting) return;
  t_greeting = false;
  std::lock_guard lock(mutex_);
  --greeting_;
  changed_.notify_all();
}

void NetDoor::serve(Fd socket) {
  base::Status served = greet(std::move(socket));
  if (!served.ok())
    base::log(base::Level::kInfo, "network", "connection refused",
              {{"why", served.error().message}});
}

base::Status NetDoor::greet(Fd socket) {
  const base::Nanos deadline = monotonic_now() + kGreeting;
  FLEXAI_TRY_ASSIGN(const std::string name, wire::peek_server_name(socket.get(), deadline));
  if (Sessions::is_name(name)) {
    base::Status handed = remote::tell_worker(sessions_->socket_of(name),
                                              remote::WorkerWord::kConnection, {}, &socket);
    if (handed.ok()) return {};
    // One that does not take it now may do so later: closed without a word, it is tried again.
    if (handed.error().code != Code::kNotFound) return handed;
    return refuse(std::move(socket), name);
  }
  FLEXAI_TRY_ASSIGN(auto tls, context(wire::TlsRole::kHost));
  FLEXAI_TRY_ASSIGN(auto transport, tls->secure(std::move(socket), "", deadline));
  handshake_over();
  const std::string host = transport->peer().subject;
  if (host.empty()) return fail(Code::kDenied, "a certificate without a name");
  if (name == wire::kProbeName) {
    // Its end is the other side's to choose.
    [[maybe_unused]] auto over = wire::serve_probe(*transport, monotonic_now() + kProbing);
    return {};
  }
  http_->serve_host(*transport, host);
  transport->shutdown();
  return {};
}

base::Status NetDoor::refuse(Fd socket, const std::string& session) {
  const base::Nanos deadline = monotonic_now() + kGreeting;
  FLEXAI_TRY_ASSIGN(auto tls, context(wire::TlsRole::kOpenHost));
  FLEXAI_TRY_ASSIGN(auto transport, tls->secure(std::move(socket), "", deadline));
  wire::Refusal refusal{.code = wire::RefusalCode::kUnknownSession,
                        .text = sessions_->why_ended(session)};
  return wire::turn_away(*transport, refusal, deadline);
}

}  // namespace flexai::agent
