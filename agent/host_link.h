// HostLink: the way to the agent of another host: its HTTP interface over TLS 1.3, both sides with
// certificates. One request a connection. Threads: one; blocks. Errors name the host and the way
// out.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "wire/endpoint.h"
#include "wire/tls_context.h"

namespace flexai::agent {

// What an agent said: its JSON, or the error in it as it was said there.
base::Result<nlohmann::json> read_answer(const std::string& text, int status);

class HostLink {
 public:
  // `host` as people write it: gpu1, gpu1:7700. `pki`: folder of this host's certificate. `owner`:
  // the name that the certificate there must have; empty: any name, for it is good for `host`.
  static base::Result<HostLink> open(const std::string& host, const std::string& pki,
                                     const std::string& owner = "");

  struct Response {
    int status = 0;
    std::string body;
  };
  base::Result<Response> request(const std::string& method, const std::string& path,
                                 const std::string& body, int wait_seconds);
  // The same in JSON; an empty `body` sends none.
  base::Result<nlohmann::json> call(const std::string& method, const std::string& path,
                                    const std::string& body, int wait_seconds);
  // A connection of its own, for `name` or for the agent.
  base::Result<std::unique_ptr<wire::Transport>> connect(const std::string& name = "");

  const wire::Endpoint& endpoint() const { return endpoint_; }
  std::string name() const;                                    // gpu1:7700
  const std::string& authority() const { return authority_; }  // PEM
  const std::string& pki() const { return pki_; }

 private:
  wire::Endpoint endpoint_;
  std::string authority_, pki_, owner_;
  std::shared_ptr<wire::TlsContext> tls_;
};

}  // namespace flexai::agent
