#include "wire/tls_context.h"

#include <arpa/inet.h>

#include "base/openssl.h"
#include "wire/tls_transport.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::MutexLock;
using base::Nanos;
using base::Result;

struct TlsCallbacks {
  static int new_ticket(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const char* host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    MutexLock lock(self->mutex_);
    SSL_SESSION_free(self->ticket_);
    self->ticket_ = session;
    self->ticket_host_ = host != nullptr ? host : "";
    return 1;  // it is ours now
  }

  // A session that we do not know is no error: certificates may do.
  static int find_key(SSL* ssl, const unsigned char* name, size_t size, SSL_SESSION** found) {
    auto* self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    *found = nullptr;
    if (size != kSharedKeyName) return 1;
    const std::string text(reinterpret_cast<const char*>(name), size);
    const auto key = self->key_named_(text);
    if (!key) return 1;
    *found = session_of(ssl, *key, text);
    return *found != nullptr;
  }

  static int offer_key(SSL* ssl, const EVP_MD*, const unsigned char** name, size_t* size,
                       SSL_SESSION** session) {
    auto* self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    *session = session_of(ssl, *self->key_, self->key_name_);
    *name = reinterpret_cast<const unsigned char*>(self->key_name_.data());
    *size = self->key_name_.size();
    return *session != nullptr;
  }
};

namespace {

Result<base::KeyPtr> read_key(const std::string& text) {
  base::BioPtr bio = base::bio_of(text);
  // No callback that asks on the terminal for a password.
  auto none = [](char*, int, int, void*) { return 0; };
  base::KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, none, nullptr));
  if (key == nullptr) return base::openssl_error(Code::kInvalid, "private key");
  return key;
}

base::Status use_certificates(SSL_CTX* context, const std::string& text) {
  base::BioPtr bio = base::bio_of(text);
  base::CertPtr own(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1)
    return base::openssl_error(Code::kInvalid, "certificate");
  while (base::CertPtr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)})
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1)
      return base::openssl_error(Code::kInvalid, "certificate chain");
  ERR_clear_error();  // of the end of the text
  return {};
}

base::Status trust(SSL_CTX* context, const std::string& text) {
  base::BioPtr bio = base::bio_of(text);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (base::CertPtr cert{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(store, cert.get()) != 1)
      return base::openssl_error(Code::kInvalid, "authority");
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(Code::kInvalid, "authority: no certificate in the file");
  return {};
}

base::Status distrust(SSL_CTX* context, const std::string& text) {
  if (text.empty()) return {};
  base::CrlPtr list(PEM_read_bio_X509_CRL(base::bio_of(text).get(), nullptr, nullptr, nullptr));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (list == nullptr || X509_STORE_add_crl(store, list.get()) != 1 ||
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1)
    return base::openssl_error(Code::kInvalid, "list of revoked certificates");
  return {};
}

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsIdentity& identity, TlsRole role) {
  base::use_openssl();
  base::SslContextPtr context(
      SSL_CTX_new(role == TlsRole::kClient ? TLS_client_method() : TLS_server_method()));
  if (context == nullptr) return base::openssl_error(Code::kInternal, "TLS");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  SSL_CTX_set_verify(raw,
                     role == TlsRole::kOpenHost ? SSL_VERIFY_NONE
                                                : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);
  FLEXAI_TRY(use_certificates(raw, identity.certificates));
  FLEXAI_TRY_ASSIGN(base::KeyPtr key, read_key(identity.key));
  if (SSL_CTX_use_PrivateKey(raw, key.get()) != 1 || SSL_CTX_check_private_key(raw) != 1)
    return base::openssl_error(Code::kInvalid, "private key does not fit the certificate");
  FLEXAI_TRY(trust(raw, identity.authority));
  FLEXAI_TRY(distrust(raw, identity.revoked));
  std::shared_ptr<TlsContext> made(new TlsContext(context.release(), role));
  SSL_CTX_set_app_data(raw, made.get());
  if (role == TlsRole::kClient) {
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(raw, TlsCallbacks::new_ticket);
  } else {
    static const unsigned char kName[] = "flexai";
    SSL_CTX_set_session_id_context(raw, kName, sizeof kName - 1);
    SSL_CTX_set_num_tickets(raw, 1);
  }
  return made;
}

Result<std::shared_ptr<TlsContext>> TlsContext::with_key(const SharedKey& key) {
  base::use_openssl();
  FLEXAI_TRY_ASSIGN(std::string name, name_of(key));
  base::SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  // It trusts no authority: a host that does not have the key is refused whatever it shows.
  if (context == nullptr || SSL_CTX_set_ciphersuites(context.get(), kKeyedSuite) != 1)
    return base::openssl_error(Code::kInternal, "TLS");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_psk_use_session_callback(raw, TlsCallbacks::offer_key);
  std::shared_ptr<TlsContext> made(new TlsContext(context.release(), TlsRole::kClient));
  made->key_ = key;
  made->key_name_ = std::move(name);
  SSL_CTX_set_app_data(raw, made.get());
  return made;
}

void TlsContext::accept_keys(KeyNamed key_named) {
  key_named_ = std::move(key_named);
  SSL_CTX_set_psk_find_session_callback(context_, TlsCallbacks::find_key);
}

TlsContext::~TlsContext() {
  SSL_SESSION_free(ticket_);
  SSL_CTX_free(context_);
}

base::Status TlsContext::prepare(ssl_st* ssl, const std::string& host, const std::string& name) {
  if (role_ != TlsRole::kClient) {
    SSL_set_accept_state(ssl);
    return {};
  }
  SSL_set_connect_state(ssl);
  if (key_) {
    SSL_set_tlsext_host_name(ssl, name.c_str());
    return {};
  }
  if (is_address(host)) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1)
      return base::openssl_error(Code::kInternal, "TLS");
  } else if (SSL_set1_host(ssl, host.c_str()) != 1) {
    return base::openssl_error(Code::kInternal, "TLS");
  }
  // Also for addresses: it is how a ticket finds its host again.
  const std::string& asked = name.empty() ? host : name;
  SSL_set_tlsext_host_name(ssl, asked.c_str());
  MutexLock lock(mutex_);
  if (ticket_ != nullptr && ticket_host_ == asked) SSL_set_session(ssl, ticket_);
  return {};
}

Result<std::unique_ptr<Transport>> TlsContext::secure(base::Fd socket, const std::string& host,
                                                      Nanos deadline, const std::string& name) {
  base::SslPtr ssl(SSL_new(context_));
  if (ssl == nullptr) return base::openssl_error(Code::kInternal, "TLS");
  FLEXAI_TRY(prepare(ssl.get(), host, name));
  auto secured = shake_hands(std::move(socket), {ssl.release(), shared_from_this()}, host,
                             role_ == TlsRole::kOpenHost, deadline);
  // It has shown its certificate instead.
  if (key_ && !secured.ok() && secured.error().code == Code::kDenied)
    return fail(Code::kDenied, "the other end does not have the key, or not any more");
  return secured;
}

}  // namespace flexai::wire
