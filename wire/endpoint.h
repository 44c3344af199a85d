// Endpoint: where a host listens. Texts: "unix:/run/flexai.sock", "shm:/run/flexai.sock" (shared
// memory, agreed on over that socket), "tls:gpu1:7700", "tcp:127.0.0.1:7700" (loopback only),
// IPv6 as "tls:[fd00::1]:7700". "tls:gpu1:7700/NAME" is one of several behind that port: the TLS
// handshake asks for it by NAME. A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::wire {

enum class Carrier { kUnix, kShared, kTcp, kTls };

struct Endpoint {
  Carrier carrier = Carrier::kUnix;
  std::string place;  // path, or name or address of a host
  uint16_t port = 0;
  std::string name;  // of TLS endpoints behind a shared port; up to 64 of a-z 0-9 . -
  bool operator==(const Endpoint&) const = default;
};

base::Result<Endpoint> parse_endpoint(std::string_view text);
std::string text_of(const Endpoint& endpoint);

}  // namespace flexai::wire
