// TlsContext: certificate, key and trusted authorities of one side; TLS 1.3 only, both sides
// authenticated. A client keeps the newest session ticket of its host, so that connecting again
// costs no certificate exchange. Transports keep it alive: tickets come late. Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "wire/shared_key.h"
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
  // A client that proves, and wants proved, that a key is shared, and has no certificate.
  static base::Result<std::shared_ptr<TlsContext>> with_key(const SharedKey& key);
  ~TlsContext();

  // A host's: who connects may prove that it has a key of that name instead of showing a
  // certificate; the transport's peer then bears the key's name. Before the first secure(); any
  // thread calls it.
  using KeyNamed = std::function<std::optional<SharedKey>(const std::string& name)>;
  void accept_keys(KeyNamed key_named);

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
  KeyNamed key_named_;
  std::optional<SharedKey> key_;  // of a client, with its name
  std::string key_name_;
  base::Mutex mutex_;
  std::string ticket_host_ FLEXAI_GUARDED_BY(mutex_);
  ssl_session_st* ticket_ FLEXAI_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace flexai::wire
