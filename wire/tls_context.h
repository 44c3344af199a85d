// TlsContext: certificate, key and trusted authorities of one side; TLS 1.3 only, both sides
// authenticated. A client keeps the newest session ticket of its host, so that connecting again
// costs no certificate exchange. Transports keep it alive: tickets come late. Threads: any.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "wire/transport.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace flexai::wire {

// PEM texts.
struct TlsIdentity {
  std::string certificates;  // own one first
  std::string key;
  std::string authority;  // who is trusted to name peers: nobody else is
  std::string revoked;    // its list of certificates that are not good any more; may be empty
};

enum class TlsRole {
  kClient,
  kHost,
  kOpenHost,  // asks the client for no certificate: for saying no to somebody
};

class TlsContext : public std::enable_shared_from_this<TlsContext> {
 public:
  static base::Result<std::shared_ptr<TlsContext>> make(const TlsIdentity& identity, TlsRole role);
  ~TlsContext();

  // The handshake on a connected, non-blocking socket; blocks until `deadline`. As client the
  // peer's certificate must be for `host` (a name or an address), and `name`, when there is one, is
  // what is asked for in the clear. kDenied when a certificate is not accepted, by either side.
  base::Result<std::unique_ptr<Transport>> secure(base::Fd socket, const std::string& host,
                                                  base::Nanos deadline,
                                                  const std::string& name = "");

 private:
  friend struct TlsCallbacks;
  TlsContext(ssl_ctx_st* context, TlsRole role) : context_(context), role_(role) {}
  base::Status prepare(ssl_st* ssl, const std::string& host, const std::string& name);

  ssl_ctx_st* const context_;
  const TlsRole role_;
  base::Mutex mutex_;
  std::string ticket_host_ FLEXAI_GUARDED_BY(mutex_);
  ssl_session_st* ticket_ FLEXAI_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace flexai::wire
