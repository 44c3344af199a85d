// SharedKey: 32 random bytes that both ends of a connection were given by somebody whom each of
// them trusts. A TLS 1.3 handshake proves that both have it, without certificates and with keys of
// the connection's own (external pre-shared key with ECDHE: RFC 8446, 2.2 and 4.2.11). In the clear
// it is called by a name which tells nothing of it. Threads: any.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "base/result.h"

struct ssl_st;
struct ssl_session_st;

namespace flexai::wire {

using SharedKey = std::array<std::byte, 32>;

// 32 hexadecimal digits: the first half of its SHA-256.
base::Result<std::string> name_of(const SharedKey& key);
inline constexpr size_t kSharedKeyName = 32;

// For handshakes: what OpenSSL wants to know of it, to be freed by the caller; null: no memory. And
// the name of the key that the handshake proved; empty: none, certificates did.
ssl_session_st* session_of(ssl_st* ssl, const SharedKey& key, const std::string& name);
std::string key_proved(ssl_st* ssl);
inline constexpr const char* kKeyedSuite = "TLS_AES_256_GCM_SHA384";

}  // namespace flexai::wire
