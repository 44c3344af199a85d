// One HTTP request to the agent of another host, over a connection that is there. Threads: any;
// blocks until `deadline`.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "wire/transport.h"

namespace flexai::agent {

struct HostResponse {
  int status = 0;
  std::string body;
};

base::Result<HostResponse> request_host(wire::Transport& transport, const std::string& method,
                                        const std::string& path, const std::string& body,
                                        base::Nanos deadline);

}  // namespace flexai::agent
