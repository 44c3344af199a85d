#include "apps/cli/host_link.h"

#include <stdlib.h>

#include "agent/host_request.h"
#include "agent/net_door.h"
#include "base/clock.h"
#include "wire/dial.h"
#include "wire/pki.h"

namespace flexai::apps {

using base::Code;
using base::fail;

namespace {

constexpr base::Nanos kConnecting = 5 * base::kSecond;

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
  link.pki_ = pki;
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
  auto response = agent::request_host(*transport, method, path, body, deadline);
  transport->shutdown();
  if (response.ok()) return Response{response->status, std::move(response->body)};
  // The host looks at our certificate after we have looked at its: its no comes as an alert.
  if (response.error().message.find("alert") != std::string::npos)
    return fail(Code::kDenied, name() + " does not accept this host's certificate (" +
                                   response.error().message +
                                   "); enroll this host with the same authority");
  return fail(response.error().code, name() + ": " + response.error().message);
}

}  // namespace flexai::apps
