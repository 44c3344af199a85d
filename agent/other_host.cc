#include "agent/other_host.h"

#include <nlohmann/json.hpp>

#include "agent/host_request.h"
#include "agent/net_door.h"
#include "base/code_named.h"
#include "model/json.h"
#include "wire/dial.h"
#include "wire/pki.h"

namespace flexai::agent {

using base::Code;
using base::fail;
using base::kSecond;
using base::monotonic_now;
using base::Nanos;
using base::Result;
using nlohmann::json;

namespace {

constexpr Nanos kConnecting = 5 * kSecond, kAnswer = 60 * kSecond;

}  // namespace

Result<OtherHost> OtherHost::open(const std::string& to, const std::string& pki,
                                  const std::string& owner) {
  OtherHost there;
  there.owner_ = owner;
  FLEXAI_TRY_ASSIGN(there.endpoint, parse_host(to));
  auto identity = wire::load_identity(pki);
  if (!identity.ok())
    return fail(identity.error().code,
                identity.error().message +
                    "; for that this host needs a certificate (`flexai host enroll`), say "
                    "where it is with flexaid --pki");
  there.authority = identity->authority;
  FLEXAI_TRY_ASSIGN(there.tls, wire::TlsContext::make(*identity, wire::TlsRole::kClient));
  return there;
}

Result<json> OtherHost::ask(const std::string& method, const std::string& path,
                            const std::string& body) {
  auto transport = wire::dial(endpoint, tls, monotonic_now() + kConnecting);
  if (!transport.ok() && transport.error().code == Code::kDenied) return transport.error();
  if (!transport.ok())
    return fail(Code::kUnavailable,
                transport.error().message + "; is flexaid --listen running there?");
  if (const std::string subject = (*transport)->peer().subject;
      !owner_.empty() && subject != owner_)
    return fail(Code::kDenied, name() + " has a certificate of " + subject + ", not of " + owner_ +
                                   "; enroll that host under its node's name");
  auto response = request_host(**transport, method, path, body, monotonic_now() + kAnswer);
  (*transport)->shutdown();
  if (!response.ok()) return std::move(response).with_context(name()).error();
  auto parsed = model::parse_json(response->body);
  if (!parsed.ok()) return fail(Code::kCorrupt, name() + " answers with something else");
  if (response->status < 400) return *parsed;
  const json error = parsed->value("error", json::object());
  if (!error.is_object()) return fail(Code::kInternal, name() + " refuses");
  return fail(base::code_named(error.value("code", "internal")),
              name() + ": " + error.value("message", "failed"));
}

}  // namespace flexai::agent
