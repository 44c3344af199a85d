#include "agent/host_link.h"

#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "agent/host_request.h"
#include "agent/net_door.h"
#include "base/clock.h"
#include "base/code_named.h"
#include "model/json.h"
#include "wire/dial.h"
#include "wire/pki.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr base::Nanos kConnecting = 5 * base::kSecond;

base::Error read_error(const std::string& text, int status) {
  auto parsed = model::parse_json(text);
  if (parsed.ok() && parsed->is_object() && parsed->contains("error")) {
    const json& error = (*parsed)["error"];
    const auto text = [&](const char* key) {
      return error.contains(key) && error[key].is_string() ? error[key].get<std::string>() : "";
    };
    if (error.is_object()) return fail(base::code_named(text("code")), text("message"));
  }
  return fail(Code::kInternal, "the agent answered with HTTP status " + std::to_string(status));
}

}  // namespace

base::Result<json> read_answer(const std::string& text, int status) {
  if (status >= 400) return read_error(text, status);
  auto parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return fail(Code::kCorrupt, "the agent's answer is not JSON");
  return parsed;
}

base::Result<HostLink> HostLink::open(const std::string& host, const std::string& pki,
                                      const std::string& owner) {
  HostLink link;
  link.owner_ = owner;
  FLEXAI_TRY_ASSIGN(link.endpoint_, parse_host(host));
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
  if (transport.ok()) {
    const std::string there = (*transport)->peer().subject;
    if (owner_.empty() || there == owner_) return transport;
    return fail(Code::kDenied, this->name() + " has a certificate of " + there + ", not of " +
                                   owner_ + "; enroll that host under its node's name");
  }
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
  auto response = request_host(*transport, method, path, body, deadline);
  transport->shutdown();
  if (response.ok()) return Response{response->status, std::move(response->body)};
  // The host looks at our certificate after we have looked at its: its no comes as an alert.
  if (response.error().message.find("alert") != std::string::npos)
    return fail(Code::kDenied, name() + " does not accept this host's certificate (" +
                                   response.error().message +
                                   "); enroll this host with the same authority");
  return fail(response.error().code, name() + ": " + response.error().message);
}

base::Result<json> HostLink::call(const std::string& method, const std::string& path,
                                  const std::string& body, int wait_seconds) {
  FLEXAI_TRY_ASSIGN(auto response, request(method, path, body, wait_seconds));
  return read_answer(response.body, response.status);
}

}  // namespace flexai::agent
