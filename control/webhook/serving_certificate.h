// The certificate with which the webhook shows itself to the API server, and the authority that the
// API server is told to believe for it. Made here, kept in a Secret that all replicas share, made
// anew when two thirds of its time are over: nobody has to install or renew anything.
// Threads: one. Source of the check: ValidatingWebhookConfiguration's clientConfig.caBundle.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/client.h"

namespace flexai::control::webhook {

struct ServingCertificate {
  std::string authority, certificate, key;  // PEM
  std::string version;                      // of the Secret
};

inline constexpr int kCertificateDays = 90;

// The key of the authority is thrown away: a new certificate has a new authority.
base::Result<ServingCertificate> make_certificate(const std::vector<std::string>& names);
// It names all of `names`, fits its key, and a third of its time is left at `now` (seconds since
// 1970).
bool is_good(const ServingCertificate& certificate, const std::vector<std::string>& names,
             int64_t now);

// What of the cluster it is for. Both objects are made by whoever installs us.
struct ServingPlace {
  kube::ObjectName secret;
  std::string configuration;  // MutatingWebhookConfiguration
  std::vector<std::string> names;
};

// The one in the Secret, or a new one put there; then the configuration is told to believe it.
// Blocks. kDenied and kNotFound name the object.
base::Result<ServingCertificate> keep_certificate(kube::Client& client, const ServingPlace& place);

}  // namespace flexai::control::webhook
