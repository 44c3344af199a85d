// TLS as a client: what a connection needs, and owners of OpenSSL's objects for the sources that
// use them. Threads: any; one at a time for a handle.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace flexai::kube {

// PEM texts.
struct TlsMaterial {
  std::string authorities;  // empty: those of the system
  std::string certificate;  // ours; empty: none
  std::string key;
  std::string server_name;  // to be found in the server's certificate: a name or an address
  bool verify = true;
};

struct SslContextFree {
  void operator()(ssl_ctx_st* context) const;
};
struct SslFree {
  void operator()(ssl_st* ssl) const;
};
using SslContext = std::unique_ptr<ssl_ctx_st, SslContextFree>;
using Ssl = std::unique_ptr<ssl_st, SslFree>;

// A handle for one connection on a connected socket; TLS 1.2 or later, ALPN h2. kInvalid names the
// part of the material that is wrong.
base::Result<Ssl> make_ssl(const TlsMaterial& material, int socket);

// Why the handshake failed: kDenied for certificates, with what OpenSSL says about them.
base::Error handshake_error(ssl_st* ssl, const std::string& server);
// kUnsupported unless HTTP/2 was agreed on.
base::Status check_protocol(ssl_st* ssl, const std::string& server);

}  // namespace flexai::kube
