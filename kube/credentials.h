// Credentials: which API server, and as whom: a pod's service account or a kubeconfig. Files named
// here are read when they are needed, so that rotated ones are taken. Threads: any; a Token one at
// a time.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/server_address.h"
#include "kube/tls.h"

namespace flexai::kube {

// Text, or the file that holds it; the text wins. Both empty: there is none.
struct TextSource {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
  base::Result<std::string> read() const;  // at most 1 MiB
};

struct Credentials {
  ServerAddress server;
  TextSource authority;    // PEM; empty: those of the system
  TextSource certificate;  // ours
  TextSource key;
  TextSource token;
  std::string tls_server_name;  // empty: the server's host
  bool verify = true;
  std::string ns = "default";  // where commands work unless told otherwise
  std::string source;          // for messages: "kubeconfig /etc/x, context prod"
};

// Of the pod we run in. kNotFound outside of one. `folder` and the two variables are those of every
// pod unless told otherwise.
inline constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
base::Result<Credentials> in_cluster(const std::string& folder = kServiceAccount);

// The kubeconfig named here, else those of $KUBECONFIG, else the pod's service account, else
// ~/.kube/config. An empty context: the current one.
base::Result<Credentials> find_credentials(const std::string& kubeconfig = "",
                                           const std::string& context = "");

// What cannot be, before any connection is tried.
base::Status check(const Credentials& credentials);
base::Result<TlsMaterial> load_tls(const Credentials& credentials);

// The bearer token as it is now. A file is looked at again at most once a second and read when it
// has changed; when it cannot be read for a while, the last token stays.
class Token {
 public:
  explicit Token(const Credentials& credentials) : source_(credentials.token) {}
  base::Result<std::string> current();  // empty: none is used
  bool renew();                         // reads now; true when it is another one

 private:
  base::Status read();

  const TextSource source_;
  std::string token_;
  struct stat seen_ {};
  base::Nanos looked_ = 0;
};

}  // namespace flexai::kube
