#include "wire/shared_key.h"

#include "base/hex.h"
#include "base/openssl.h"
#include "wire/digest.h"

namespace flexai::wire {

namespace {

using SslSessionPtr = std::unique_ptr<SSL_SESSION, base::Freer<SSL_SESSION_free>>;
constexpr unsigned char kSuiteNumber[] = {0x13, 0x02};

}  // namespace

base::Result<std::string> name_of(const SharedKey& key) {
  FLEXAI_TRY_ASSIGN(const Digest digest, digest_of(key));
  return base::hex_of(std::span(digest).first(kSharedKeyName / 2));
}

SSL_SESSION* session_of(SSL* ssl, const SharedKey& key, const std::string& name) {
  const SSL_CIPHER* suite = SSL_CIPHER_find(ssl, kSuiteNumber);
  SslSessionPtr session(SSL_SESSION_new());
  if (suite == nullptr || session == nullptr ||
      SSL_SESSION_set1_master_key(session.get(), reinterpret_cast<const unsigned char*>(key.data()),
                                  key.size()) != 1 ||
      SSL_SESSION_set_cipher(session.get(), suite) != 1 ||
      SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1 ||
      SSL_SESSION_set1_ticket_appdata(session.get(), name.data(), name.size()) != 1)
    return nullptr;
  return session.release();
}

std::string key_proved(SSL* ssl) {
  SSL_SESSION* session = SSL_get0_session(ssl);
  void* name = nullptr;
  size_t size = 0;
  if (SSL_session_reused(ssl) != 1 || session == nullptr ||
      SSL_SESSION_get0_ticket_appdata(session, &name, &size) != 1 || size != kSharedKeyName)
    return "";
  return {static_cast<const char*>(name), size};
}

}  // namespace flexai::wire
