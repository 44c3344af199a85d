// ServerAddress: where an API server is, from a URL. Plain values; any thread, but lookup() blocks.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexai::kube {

struct ServerAddress {
  bool tls = true;
  std::string host;  // a name or an address, IPv6 without brackets
  uint16_t port = 443;
  std::string prefix;  // of every path; empty or "/..." without a slash at its end

  std::string authority() const;  // host:port, brackets where needed
};

// http://HOST[:PORT][/PREFIX] or https://... ; kInvalid otherwise.
base::Result<ServerAddress> parse_server(std::string_view url);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
// Does `host` need a name server?
bool is_numeric(const std::string& host);
base::Result<std::vector<SocketAddress>> look_up(const std::string& host, uint16_t port);

}  // namespace flexai::kube
