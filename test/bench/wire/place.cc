#include "test/bench/wire/place.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "wire/bulk.h"
#include "wire/door.h"
#include "wire/lane.h"
#include "wire/pki.h"
#include "wire/socket.h"

namespace flexai::bench {

using base::kSecond;
using base::monotonic_now;
using wire::Transport;

namespace {

void send_whole(Transport& transport, wire::Bytes bytes) {
  while (!bytes.empty()) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    auto sent = transport.send({&part, 1});
    if (!sent.ok()) return;
    bytes = bytes.subspan(*sent);
    if (*sent == 0) transport.wait(wire::kWritable, 0);
  }
}

void serve_raw(Transport& transport, Service service) {
  std::vector<std::byte> buffer(1u << 20);
  size_t swallowed = 0;
  for (;;) {
    transport.wait(wire::kReadable, 0);
    auto got = transport.receive(buffer);
    if (!got.ok()) return;
    if (service == Service::kEcho) {
      send_whole(transport, wire::Bytes(buffer).first(*got));
      continue;
    }
    swallowed += *got;
    if (swallowed < kStreamBytes) continue;
    swallowed -= kStreamBytes;
    send_whole(transport, wire::Bytes(buffer).first(1));
  }
}

void serve_session(std::shared_ptr<wire::Session> session) {
  std::thread([session] {
    auto bulk = need(wire::Bulk::make(*session));
    std::vector<std::byte> place;
    for (;;) {
      auto arrival = session->receive_any(0);
      if (!arrival.ok()) return;
      auto& [lane, message] = *arrival;
      wire::Bytes body = lane->id() == 0 ? message.body : wire::Bytes{};
      if (lane->id() == 1 && message.tag == 0) continue;
      if (lane->id() == 1 && message.tag == 2) {
        place.resize(kStreamBytes);
        uint64_t id = 0;
        std::memcpy(&id, message.body.data(), sizeof id);
        if (!bulk->expect(id, place).ok() || !bulk->wait_received(id, 0).ok()) return;
      }
      if (!lane->send(message.tag, body, {}, wire::Push::kNow).ok()) return;
    }
  }).detach();
}

[[noreturn]] void serve(base::Fd listener, wire::Carrier carrier, Service service,
                        std::shared_ptr<wire::TlsContext> tls) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  wire::Host host({.session = session_options(), .admit = nullptr, .on_session = serve_session});
  for (;;) {
    auto socket = wire::accept_socket(listener.get(), 0);
    if (!socket.ok()) ::_exit(1);
    std::thread([&, fd = std::move(*socket)]() mutable {
      auto transport =
          wire::greet_carrier(std::move(fd), carrier, tls, monotonic_now() + 5 * kSecond);
      if (!transport.ok()) return;
      if (service == Service::kSession) {
        [[maybe_unused]] auto served = host.serve(std::move(*transport));
      } else {
        serve_raw(**transport, service);
      }
    }).detach();
  }
}

}  // namespace

wire::SessionOptions session_options() {
  wire::SessionOptions options;
  options.version.build = "bench";
  return options;
}

Place::Place(wire::Carrier carrier, Service service) {
  folder_ = std::filesystem::temp_directory_path() / "flexai-bench-XXXXXX";
  if (::mkdtemp(folder_.data()) == nullptr) exit(1);
  endpoint_ = {carrier, folder_ + "/s", 0};
  std::shared_ptr<wire::TlsContext> host_tls;
  if (carrier == wire::Carrier::kTcp || carrier == wire::Carrier::kTls)
    endpoint_.place = "127.0.0.1";
  if (carrier == wire::Carrier::kTls) {
    auto authority = need(wire::make_authority("bench", 1));
    auto issued = need(wire::issue(authority, "127.0.0.1", {}, 1));
    wire::TlsIdentity identity{issued.certificate, issued.key, authority.certificate};
    tls_ = need(wire::TlsContext::make(identity, wire::TlsRole::kClient));
    host_tls = need(wire::TlsContext::make(identity, wire::TlsRole::kHost));
  }
  base::Fd listener = need(wire::listen_socket(endpoint_));
  if (!endpoint_.place.starts_with("/")) endpoint_.port = need(wire::local_port(listener.get()));
  child_ = ::fork();
  if (child_ == 0) serve(std::move(listener), carrier, service, host_tls);
}

Place::~Place() {
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  std::filesystem::remove_all(folder_);
}

std::unique_ptr<Transport> Place::dial() const {
  return need(wire::dial(endpoint_, tls_, monotonic_now() + 5 * kSecond));
}

}  // namespace flexai::bench
