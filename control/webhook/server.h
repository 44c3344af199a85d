// Server: HTTPS for the API server: POST /mutate takes an AdmissionReview; GET /healthz, /readyz.
// TLS 1.2 or later; it asks nobody who he is, as the API server does not say by default, and what
// it answers is no secret. Bounded: connections, bytes and time of a request.
// Threads: one accepts, one a connection. make(), renew() and the destructor on any.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "control/webhook/review.h"
#include "control/webhook/serving_certificate.h"

namespace flexai::control::webhook {

class Server {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    int port = 8443;  // 0: any
  };
  // `ready`: from any thread.
  static base::Result<std::unique_ptr<Server>> make(const Options& options,
                                                    const ServingCertificate& certificate,
                                                    Knowledge knowledge, MakeTemplate make_template,
                                                    std::function<bool()> ready);
  ~Server();
  int port() const;
  // For connections from now on.
  base::Status renew(const ServingCertificate& certificate);

 private:
  class Http;
  explicit Server(std::unique_ptr<Http> http);
  std::unique_ptr<Http> http_;
};

}  // namespace flexai::control::webhook
