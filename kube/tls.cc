#include "kube/tls.h"

#include <arpa/inet.h>

#include <cstring>

#include "base/openssl.h"
#include "kube/server_address.h"
#include "kube/time_text.h"

namespace flexai::kube {
namespace {

using base::Code;

base::Status trust(SSL_CTX* context, const std::string& authorities) {
  if (authorities.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return {};
  }
  base::BioPtr bio = base::bio_of(authorities);
  int count = 0;
  while (base::CertPtr cert =
             base::CertPtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), cert.get());
    ++count;
  }
  ERR_clear_error();  // the end of the text is an error too
  if (count == 0)
    return base::fail(Code::kInvalid, "the authority of the API server is no PEM certificate");
  return {};
}

// The first certificate is ours, those that follow lead to its authority.
base::Status present(SSL_CTX* context, const TlsMaterial& material) {
  if (material.certificate.empty()) return {};
  base::BioPtr chain = base::bio_of(material.certificate);
  base::CertPtr own(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1)
    return base::openssl_error(Code::kInvalid, "the client certificate is not valid PEM");
  while (X509* more = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
    if (SSL_CTX_add0_chain_cert(context, more) != 1) X509_free(more);
  ERR_clear_error();
  base::BioPtr text = base::bio_of(material.key);
  auto no_passphrase = [](char*, int, int, void*) { return 0; };
  base::KeyPtr key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr));
  bool fits = key != nullptr && SSL_CTX_use_PrivateKey(context, key.get()) == 1 &&
              SSL_CTX_check_private_key(context) == 1;
  if (!fits) return base::openssl_error(Code::kInvalid, "the client key does not fit");
  return {};
}

base::Status expect(SSL* ssl, const std::string& name) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  bool set = is_numeric(name) ? X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1
                              : X509_VERIFY_PARAM_set1_host(param, name.c_str(), 0) == 1 &&
                                    SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  if (!set) return base::fail(Code::kInvalid, "no server can be named \"" + name + "\"");
  return {};
}

}  // namespace

void SslContextFree::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void SslFree::operator()(ssl_st* ssl) const { SSL_free(ssl); }

base::Result<Ssl> make_ssl(const TlsMaterial& material, int socket) {
  base::use_openssl();
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return base::openssl_error(Code::kExhausted, "TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  static constexpr unsigned char kProtocols[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kProtocols, sizeof kProtocols);
  SSL_CTX_set_verify(context.get(), material.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (material.verify) FLEXAI_TRY(trust(context.get(), material.authorities));
  FLEXAI_TRY(present(context.get(), material));
  Ssl ssl(SSL_new(context.get()));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket) != 1)
    return base::openssl_error(Code::kExhausted, "TLS");
  FLEXAI_TRY(expect(ssl.get(), material.server_name));
  SSL_set_connect_state(ssl.get());
  return ssl;
}

base::Error handshake_error(ssl_st* ssl, const std::string& server) {
  long verdict = SSL_get_verify_result(ssl);
  unsigned long error = ERR_peek_error();
  base::Error failed = base::openssl_error(Code::kUnavailable, "TLS with " + server);
  if (verdict != X509_V_OK)
    return base::fail(
        Code::kDenied,
        "the certificate of " + server +
            " is not accepted: " + X509_verify_cert_error_string(verdict) +
            (verdict == X509_V_ERR_CERT_NOT_YET_VALID || verdict == X509_V_ERR_CERT_HAS_EXPIRED
                 ? "; check this host's clock, it is " + now_text(false)
                 : ""));
  if (error == 0) return base::fail(Code::kUnavailable, server + " closed the TLS handshake");
  return failed;
}

base::Status check_protocol(ssl_st* ssl, const std::string& server) {
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &size);
  if (size == 2 && std::memcmp(chosen, "h2", 2) == 0) return {};
  return base::fail(Code::kUnsupported,
                    server + " does not speak HTTP/2, as every API server does; is it a proxy?");
}

}  // namespace flexai::kube
