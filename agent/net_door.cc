#include "agent/net_door.h"

#include <sys/stat.h>

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

constexpr int kMostGreetings = 128, kMostOfAnAddress = 32;
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
  std::unique_ptr<NetDoor> made(new NetDoor(std::move(pki), http, sessions, port));
  auto identity = made->context(wire::TlsRole::kHost);
  if (!identity.ok())
    return fail(identity.error().code,
                "--listen needs this host's certificate: " + identity.error().message +
                    "; make one with `flexai host enroll`, or say where it is with --pki");
  FLEXAI_TRY_ASSIGN(
      made->acceptor_,
      wire::Acceptor::open(std::move(*listener), {kMostGreetings, kMostOfAnAddress, nullptr},
                           [door = made.get()](Fd socket, wire::Acceptor::Greeting& greeting) {
                             door->serve(std::move(socket), greeting);
                           }));
  return made;
}

NetDoor::NetDoor(std::string pki, HttpServer* http, const Sessions* sessions, uint16_t port)
    : pki_(std::move(pki)), http_(http), sessions_(sessions), port_(port) {}

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

void NetDoor::serve(Fd socket, wire::Acceptor::Greeting& greeting) {
  base::Status served = greet(std::move(socket), greeting);
  if (!served.ok())
    base::log(base::Level::kInfo, "network", "connection refused",
              {{"why", served.error().message}});
}

base::Status NetDoor::greet(Fd socket, wire::Acceptor::Greeting& greeting) {
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
  greeting.over();
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
