#include "control/webhook/serving_certificate.h"

#include <time.h>

#include "base/openssl.h"
#include "control/json_parts.h"
#include "model/json.h"
#include "wire/pki.h"

namespace flexai::control::webhook {
namespace {

using base::Code;
using base::fail;

const kube::Resource kConfigurations{"admissionregistration.k8s.io", "v1",
                                     "mutatingwebhookconfigurations", false};
constexpr int kAttempts = 4;  // others write, too

std::string decoded(const std::string& base64) {
  if (base64.empty() || base64.size() % 4 != 0) return "";
  std::string out(base64.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(base64.data()),
                                   static_cast<int>(base64.size()));
  if (size < 0) return "";
  size_t padding = 0;
  while (padding < 2 && base64[base64.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<size_t>(size) - padding);
  return out;
}

std::string encoded(const std::string& text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

base::CertPtr certificate_of(const std::string& pem) {
  const base::BioPtr bio = base::bio_of(pem);
  base::CertPtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

int64_t seconds_of(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<int64_t>(::timegm(&parts)) : 0;
}

base::Error refused(const kube::Reply& reply, const std::string& what) {
  return fail(reply.failure->code, what + ": " + reply.failure->message);
}

base::Result<ServingCertificate> read_secret(const std::string& text) {
  FLEXAI_TRY_ASSIGN(const Json secret, model::parse_json(text));
  const Json& data = at(secret, "data");
  return ServingCertificate{decoded(text_at(data, "ca.crt")), decoded(text_at(data, "tls.crt")),
                            decoded(text_at(data, "tls.key")),
                            text_at(at(secret, "metadata"), "resourceVersion")};
}

// kConflict: somebody else was first.
base::Status write_secret(kube::Client& client, const kube::ObjectName& name,
                          const ServingCertificate& made) {
  const Json body = {{"metadata", {{"resourceVersion", made.version}}},
                     {"data",
                      {{"ca.crt", encoded(made.authority)},
                       {"tls.crt", encoded(made.certificate)},
                       {"tls.key", encoded(made.key)}}}};
  const auto answer =
      client.wait(kube::patch(kube::kSecrets, name, kube::Patch::kMerge, dump(body)));
  if (answer.ok()) return {};
  return refused(answer, "the Secret " + name.ns + "/" + name.name);
}

base::Status believe(kube::Client& client, const std::string& configuration,
                     const std::string& authority) {
  const kube::ObjectName name{"", configuration};
  const auto answer = client.wait(kube::get_object(kConfigurations, name));
  const std::string what = "the MutatingWebhookConfiguration " + configuration;
  if (!answer.ok()) return refused(answer, what);
  FLEXAI_TRY_ASSIGN(Json object, model::parse_json(answer.body));
  const std::string bundle = encoded(authority);
  Json patch = Json::array();
  for (size_t i = 0; i < list_at(object, "webhooks").size(); ++i) {
    if (text_at(at(list_at(object, "webhooks")[i], "clientConfig"), "caBundle") == bundle) continue;
    patch.push_back({{"op", "add"},
                     {"path", "/webhooks/" + std::to_string(i) + "/clientConfig/caBundle"},
                     {"value", bundle}});
  }
  if (patch.empty()) return {};
  const auto done =
      client.wait(kube::patch(kConfigurations, name, kube::Patch::kJson, dump(patch)));
  if (!done.ok()) return refused(done, what);
  return {};
}

}  // namespace

base::Result<ServingCertificate> make_certificate(const std::vector<std::string>& names) {
  if (names.empty()) return fail(Code::kInvalid, "a certificate for no name");
  FLEXAI_TRY_ASSIGN(const wire::Certified authority,
                    wire::make_authority("flexai webhook", kCertificateDays));
  FLEXAI_TRY_ASSIGN(
      const wire::Certified own,
      wire::issue(authority, names[0], {names.begin() + 1, names.end()}, kCertificateDays));
  return ServingCertificate{authority.certificate, own.certificate, own.key, ""};
}

bool is_good(const ServingCertificate& serving, const std::vector<std::string>& names,
             int64_t now) {
  const base::CertPtr certificate = certificate_of(serving.certificate);
  const base::CertPtr authority = certificate_of(serving.authority);
  if (certificate == nullptr || authority == nullptr) return false;
  const base::BioPtr bio = base::bio_of(serving.key);
  const base::KeyPtr key(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr));
  const bool fits = key != nullptr && X509_check_private_key(certificate.get(), key.get()) == 1 &&
                    X509_verify(certificate.get(), X509_get0_pubkey(authority.get())) == 1;
  ERR_clear_error();
  if (!fits) return false;
  for (const std::string& name : names)
    if (X509_check_host(certificate.get(), name.c_str(), name.size(), 0, nullptr) != 1)
      return false;
  const int64_t from = seconds_of(X509_get0_notBefore(certificate.get()));
  const int64_t until = seconds_of(X509_get0_notAfter(certificate.get()));
  return now >= from && now <= until - (until - from) / 3;
}

base::Result<ServingCertificate> keep_certificate(kube::Client& client, const ServingPlace& place) {
  base::Status written;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto answer = client.wait(kube::get_object(kube::kSecrets, place.secret));
    if (!answer.ok())
      return refused(answer, "the Secret " + place.secret.ns + "/" + place.secret.name);
    FLEXAI_TRY_ASSIGN(ServingCertificate known, read_secret(answer.body));
    if (is_good(known, place.names, ::time(nullptr))) {
      FLEXAI_TRY(believe(client, place.configuration, known.authority));
      return known;
    }
    FLEXAI_TRY_ASSIGN(ServingCertificate made, make_certificate(place.names));
    made.version = known.version;
    written = write_secret(client, place.secret, made);
    if (!written.ok() && written.error().code != Code::kConflict) return written.error();
  }
  return fail(Code::kUnavailable,
              "the Secret " + place.secret.ns + "/" + place.secret.name +
                  " holds no certificate that is good, though one was put there");
}

}  // namespace flexai::control::webhook
