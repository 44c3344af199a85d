// OtherHost: the agent of another host, asked with this host's certificate. Errors name that host.
// Threads: one; blocks, a minute at most a question.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "wire/endpoint.h"
#include "wire/tls_context.h"

namespace flexai::agent {

class OtherHost {
 public:
  // `to`: as people write it; `pki`: folder of our certificate; `owner`: name that the certificate
  // there must have, or empty. Connects to nothing yet.
  static base::Result<OtherHost> open(const std::string& to, const std::string& pki,
                                      const std::string& owner = "");

  std::string name() const { return wire::text_of(endpoint).substr(4); }
  base::Result<nlohmann::json> ask(const std::string& method, const std::string& path,
                                   const std::string& body);

  wire::Endpoint endpoint;
  std::string authority;  // of the group
  std::shared_ptr<wire::TlsContext> tls;

 private:
  std::string owner_;
};

}  // namespace flexai::agent
