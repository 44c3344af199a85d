#include "apps/cli/host_link.h"

#include <stdlib.h>

#include "agent/net_door.h"
#include "base/clock.h"
#include "wire/dial.h"
#include "wire/exchange.h"
#include "wire/pki.h"

namespace flexai::apps {

using base::Code;
using base::fail;

namespace {

constexpr base::Nanos kConnecting = 5 * base::kSecond;
constexpr size_t kMostAnswer = 16 << 20;

// How many bytes follow the head of an answer; the agent always says.
base::Result<size_t> length_in(const std::string& head) {
  size_t at = head.find("\r\nContent-Length: ");
  if (at == std::string::npos) return fail(Code::kCorrupt, "an answer without its length");
  const unsigned long long length = strtoull(head.c_str() + at + 18, nullptr, 10);
  if (length > kMostAnswer) return fail(Code::kCorrupt, "an answer of more than 16 MiB");
  return static_cast<size_t>(length);
}

base::Result<HostLink::Response> read_response(wire::Transport& transport, base::Nanos deadline) {
  std::string text;
  size_t head = std::string::npos, whole = 0;
  while (head == std::string::npos || text.size() < whole) {
    char bytes[16384];
    FLEXAI_TRY_ASSIGN(const size_t got,
                      transport.receive(std::as_writable_bytes(std::span(bytes))));
    text.append(bytes, got);
    if (text.size() > kMostAnswer + 65536) return fail(Code::kCorrupt, "an answer without end");
    if (head == std::string::npos && (head = text.find("\r\n\r\n")) != std::string::npos) {
      FLEXAI_TRY_ASSIGN(const size_t length, length_in(text.substr(0, head)));
      whole = head + 4 + length;
    }
    if (got != 0) continue;
    if (base::monotonic_now() >= deadline) return fail(Code::kTimeout, "does not answer");
    transport.wait(wire::kReadable, deadline);
  }
  HostLink::Response response;
  if (text.compare(0, 9, "HTTP/1.1 ") != 0) return fail(Code::kCorrupt, "does not speak HTTP");
  response.status = atoi(text.c_str() + 9);
  response.body = text.substr(head + 4, whole - head - 4);
  return response;
}

}  // namespace

base::Result<HostLink> HostLink::open(const std::string& host, const std::string& pki) {
  HostLink link;
  FLEXAI_TRY_ASSIGN(link.endpoint_, agent::parse_host(host));
  auto identity = wire::load_identity(pki);
  if (!identity.ok())
    return fail(identity.error().code, identity.error().message +
                                           "; this host needs a certificate (`flexai host enroll` "
                                           "on the authority's host), or say where it is with "
                                           "--pki");
  link.authority_ = identity->authority;
  FLEXAI_TRY_ASSIGN(link.tls_, wire::TlsContext::make(*identity, wire::TlsRole::kClient));
  return link;
}

std::string HostLink::name() const { return wire::text_of(endpoint_).substr(4); }

base::Result<std::unique_ptr<wire::Transport>> HostLink::connect(const std::string& name) {
  wire::Endpoint endpoint = endpoint_;
  endpoint.name = name;
  auto transport = wire::dial(endpoint, tls_, base::monotonic_now() + kConnecting);
  if (transport.ok()) return transport;
  const auto& error = transport.error();
  if (error.code == Code::kNotFound)
    return fail(Code::kUnavailable,
                error.message.substr(4) + "; is flexaid --listen running there?");
  return fail(error.code, error.message);
}

base::Result<HostLink::Response> HostLink::request(const std::string& method,
                                                   const std::string& path, const std::string& body,
                                                   int wait_seconds) {
  FLEXAI_TRY_ASSIGN(auto transport, connect());
  const base::Nanos deadline = base::monotonic_now() + wait_seconds * base::kSecond;
  const std::string text = method + " " + path +
                           " HTTP/1.1\r\nHost: flexai\r\nConnection: close\r\n"
                           "Content-Type: application/json\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body;
  base::Status sent = wire::send_all(*transport, wire::bytes_of(text), deadline);
  auto response =
      sent.ok() ? read_response(*transport, deadline) : base::Result<Response>(sent.error());
  transport->shutdown();
  if (response.ok()) return response;
  // The host looks at our certificate after we have looked at its: its no comes as an alert.
  if (response.error().message.find("alert") != std::string::npos)
    return fail(Code::kDenied, name() + " does not accept this host's certificate (" +
                                   response.error().message +
                                   "); enroll this host with the same authority");
  return fail(response.error().code, name() + ": " + response.error().message);
}

}  // namespace flexai::apps
