#include "wire/pki.h"

#include <arpa/inet.h>

#include "base/openssl.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::Result;

namespace {

constexpr long kDay = 24 * 60 * 60;

Result<base::KeyPtr> parse_key(const std::string& pem) {
  auto none = [](char*, int, int, void*) { return 0; };
  base::KeyPtr key(PEM_read_bio_PrivateKey(base::bio_of(pem).get(), nullptr, none, nullptr));
  if (key == nullptr) return base::openssl_error(Code::kInvalid, "private key");
  return key;
}

Result<base::CertPtr> parse_certificate(const std::string& pem) {
  base::CertPtr certificate(PEM_read_bio_X509(base::bio_of(pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return base::openssl_error(Code::kInvalid, "certificate");
  return certificate;
}

Result<Certified> to_pem(X509* certificate, EVP_PKEY* key) {
  base::BioPtr cert_bio(BIO_new(BIO_s_mem())), key_bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(cert_bio.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return base::openssl_error(Code::kInternal, "writing a certificate");
  return Certified{base::text_of(cert_bio.get()), base::text_of(key_bio.get())};
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_serial(X509* certificate) {
  BIGNUM* number = BN_new();
  bool set = number != nullptr && BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
             BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

// All but extensions and signature.
Result<base::CertPtr> begin(const std::string& name, EVP_PKEY* key, int days) {
  if (name.empty() || name.size() > 64)
    return fail(Code::kInvalid, "a certificate's name has 1 to 64 bytes: \"" + name + "\"");
  base::CertPtr certificate(X509_new());
  X509_NAME* subject = certificate ? X509_get_subject_name(certificate.get()) : nullptr;
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  if (subject == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !set_serial(certificate.get()) ||
      // An hour back, for hosts whose clocks are not quite right.
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay) == nullptr ||
      X509_set_pubkey(certificate.get(), key) != 1 ||
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) != 1)
    return base::openssl_error(Code::kInternal, "making a certificate");
  return certificate;
}

Result<std::string> alternative_names(const std::string& name,
                                      const std::vector<std::string>& others) {
  std::vector<std::string> all = others;
  all.insert(all.begin(), name);
  std::string value;
  for (const std::string& one : all) {
    // The text goes through a parser of its own language: no separators.
    if (one.empty() || one.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789.:-_*") != std::string::npos)
      return fail(Code::kInvalid, "\"" + one + "\" is no name or address of a host");
    unsigned char bytes[sizeof(in6_addr)];
    bool address = ::inet_pton(AF_INET, one.c_str(), bytes) == 1 ||
                   ::inet_pton(AF_INET6, one.c_str(), bytes) == 1;
    if (!address && one.find(':') != std::string::npos)
      return fail(Code::kInvalid, "\"" + one + "\" is no name or address of a host");
    value += (value.empty() ? "" : ",") + std::string(address ? "IP:" : "DNS:") + one;
  }
  return value;
}

}  // namespace

Result<Certified> make_authority(const std::string& name, int days) {
  base::use_openssl();
  base::KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return base::openssl_error(Code::kInternal, "making a key");
  FLEXAI_TRY_ASSIGN(base::CertPtr certificate, begin(name, key.get(), days));
  X509* raw = certificate.get();
  if (X509_set_issuer_name(raw, X509_get_subject_name(raw)) != 1 ||
      !add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(raw, raw, NID_subject_key_identifier, "hash") ||
      X509_sign(raw, key.get(), EVP_sha256()) == 0)
    return base::openssl_error(Code::kInternal, "making an authority");
  return to_pem(raw, key.get());
}

Result<Certified> issue(const Certified& authority, const std::string& name,
                        const std::vector<std::string>& others, int days) {
  FLEXAI_TRY_ASSIGN(std::string names, alternative_names(name, others));
  FLEXAI_TRY_ASSIGN(base::CertPtr issuer, parse_certificate(authority.certificate));
  FLEXAI_TRY_ASSIGN(base::KeyPtr issuer_key, parse_key(authority.key));
  if (X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return base::openssl_error(Code::kInvalid, "the authority's key does not fit its certificate");
  base::KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return base::openssl_error(Code::kInternal, "making a key");
  FLEXAI_TRY_ASSIGN(base::CertPtr certificate, begin(name, key.get(), days));
  X509* raw = certificate.get();
  if (X509_set_issuer_name(raw, X509_get_subject_name(issuer.get())) != 1 ||
      !add_extension(raw, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(raw, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(raw, issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(raw, issuer.get(), NID_authority_key_identifier, "keyid:always") ||
      !add_extension(raw, issuer.get(), NID_subject_alt_name, names) ||
      X509_sign(raw, issuer_key.get(), EVP_sha256()) == 0)
    return base::openssl_error(Code::kInternal, "issuing a certificate");
  return to_pem(raw, key.get());
}

Result<std::string> revoke(const Certified& authority, const std::string& list,
                           const std::string& certificate) {
  FLEXAI_TRY_ASSIGN(base::CertPtr issuer, parse_certificate(authority.certificate));
  FLEXAI_TRY_ASSIGN(base::KeyPtr key, parse_key(authority.key));
  FLEXAI_TRY_ASSIGN(base::CertPtr bad, parse_certificate(certificate));
  base::CrlPtr made(
      list.empty() ? X509_CRL_new()
                   : PEM_read_bio_X509_CRL(base::bio_of(list).get(), nullptr, nullptr, nullptr));
  std::unique_ptr<ASN1_TIME, base::Freer<ASN1_TIME_free>> now(X509_gmtime_adj(nullptr, -3600));
  // It is good until another one comes.
  std::unique_ptr<ASN1_TIME, base::Freer<ASN1_TIME_free>> next(
      X509_gmtime_adj(nullptr, 3650 * kDay));
  X509_REVOKED* entry = X509_REVOKED_new();
  const bool good =
      made != nullptr && now != nullptr && next != nullptr && entry != nullptr &&
      X509_CRL_set_version(made.get(), X509_CRL_VERSION_2) == 1 &&
      X509_CRL_set_issuer_name(made.get(), X509_get_subject_name(issuer.get())) == 1 &&
      X509_CRL_set1_lastUpdate(made.get(), now.get()) == 1 &&
      X509_CRL_set1_nextUpdate(made.get(), next.get()) == 1 &&
      X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(bad.get())) == 1 &&
      X509_REVOKED_set_revocationDate(entry, now.get()) == 1;
  if (!good || X509_CRL_add0_revoked(made.get(), entry) != 1) {
    X509_REVOKED_free(entry);
    return base::openssl_error(Code::kInternal, "revoking a certificate");
  }
  base::BioPtr out(BIO_new(BIO_s_mem()));
  if (X509_CRL_sort(made.get()) != 1 || X509_CRL_sign(made.get(), key.get(), EVP_sha256()) == 0 ||
      PEM_write_bio_X509_CRL(out.get(), made.get()) != 1)
    return base::openssl_error(Code::kInternal, "revoking a certificate");
  return base::text_of(out.get());
}

base::Status check(const Certified& certified, const std::string& authority) {
  FLEXAI_TRY_ASSIGN(base::CertPtr certificate, parse_certificate(certified.certificate));
  FLEXAI_TRY_ASSIGN(base::KeyPtr key, parse_key(certified.key));
  FLEXAI_TRY_ASSIGN(base::CertPtr issuer, parse_certificate(authority));
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return base::openssl_error(Code::kInvalid, "the key does not fit the certificate");
  base::KeyPtr issuer_key(X509_get_pubkey(issuer.get()));
  if (issuer_key == nullptr || X509_verify(certificate.get(), issuer_key.get()) != 1) {
    ERR_clear_error();
    return fail(Code::kDenied, "the certificate is not signed by this authority");
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate.get())) > 0)
    return fail(Code::kDenied, "the certificate is not valid yet; check this host's clock");
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0)
    return fail(Code::kDenied, "the certificate has expired; enroll the host again");
  return {};
}

}  // namespace flexai::wire
