// What a TLS client asks for before any handshake: the server name of its ClientHello (RFC 8446
// 4.1.2, RFC 6066 3), which is in the clear. For handing a connection to whoever it is meant for.
// Pure but for peek_server_name(); any thread. Every byte is hostile.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "wire/codec.h"

namespace flexai::wire {

inline constexpr size_t kMostClientHello = 5 + (16u << 10);  // one record

// The name in the record at the start of `bytes`, empty when it has none; nothing while bytes are
// missing. kCorrupt for what is no ClientHello in one record.
base::Result<std::optional<std::string>> server_name_in(Bytes bytes);

// The same of the bytes that wait on a connected socket, which stay there. kTimeout, kUnavailable.
base::Result<std::string> peek_server_name(int socket, base::Nanos deadline);

}  // namespace flexai::wire
