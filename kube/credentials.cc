#include "kube/credentials.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <sstream>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "kube/kubeconfig.h"

namespace flexai::kube {
namespace {

using base::Code;

constexpr size_t kLargestFile = 1 << 20;

std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr ? value : "";
}

base::Result<std::string> read_file(const std::string& path) {
  base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return base::fail_errno("reading " + path);
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t size = ::read(file.get(), buffer, sizeof buffer);
    if (size < 0) return base::fail_errno("reading " + path);
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
    if (text.size() > kLargestFile) return base::fail(Code::kInvalid, path + ": larger than 1 MiB");
  }
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

base::Result<std::string> TextSource::read() const {
  if (!text.empty() || file.empty()) return text;
  return read_file(file);
}

base::Result<Credentials> in_cluster(const std::string& folder) {
  std::string host = variable("KUBERNETES_SERVICE_HOST");
  std::string port = variable("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty() || ::access((folder + "/token").c_str(), F_OK) != 0)
    return base::fail(Code::kNotFound, "not in a pod with a service account");
  bool bare_ipv6 = host.find(':') != std::string::npos && host[0] != '[';
  Credentials made;
  FLEXAI_TRY_ASSIGN(made.server,
                    parse_server("https://" + (bare_ipv6 ? "[" + host + "]" : host) + ":" + port));
  made.authority.file = folder + "/ca.crt";
  made.token.file = folder + "/token";
  made.source = "the pod's service account";
  auto ns = read_file(folder + "/namespace");
  if (ns.ok() && !ns->empty()) made.ns = *ns;
  FLEXAI_TRY(check(made));
  return made;
}

base::Result<Credentials> find_credentials(const std::string& kubeconfig,
                                           const std::string& context) {
  if (!kubeconfig.empty()) return from_kubeconfigs({kubeconfig}, context);
  std::vector<std::string> files;
  std::istringstream list(variable("KUBECONFIG"));
  for (std::string file; std::getline(list, file, ':');)
    if (!file.empty()) files.push_back(file);
  if (!files.empty()) return from_kubeconfigs(files, context);
  if (context.empty()) {
    auto pod = in_cluster();
    if (pod.ok() || pod.error().code != Code::kNotFound) return pod;
  }
  std::string home = variable("HOME") + "/.kube/config";
  if (::access(home.c_str(), F_OK) == 0) return from_kubeconfigs({home}, context);
  return base::fail(Code::kNotFound,
                    "no cluster is named: give --kubeconfig FILE or set KUBECONFIG");
}

base::Status check(const Credentials& c) {
  auto wrong = [&c](const std::string& what) {
    return base::fail(Code::kInvalid, c.source + ": " + what);
  };
  if (c.certificate.empty() != c.key.empty())
    return wrong("a client certificate needs its key, and a key its certificate");
  if (!c.server.tls && !c.token.empty() && !is_loopback(c.server.host))
    return wrong("the token would travel unprotected; use an https:// server");
  if (!c.server.tls && !c.certificate.empty())
    return wrong("a client certificate needs an https:// server");
  if (!c.verify && !c.authority.empty())
    return wrong("insecure-skip-tls-verify and a certificate authority exclude each other");
  return {};
}

base::Result<TlsMaterial> load_tls(const Credentials& c) {
  auto read = [&c](const TextSource& source) { return source.read().with_context(c.source); };
  TlsMaterial made;
  made.verify = c.verify;
  made.server_name = c.tls_server_name.empty() ? c.server.host : c.tls_server_name;
  FLEXAI_TRY_ASSIGN(made.authorities, read(c.authority));
  FLEXAI_TRY_ASSIGN(made.certificate, read(c.certificate));
  FLEXAI_TRY_ASSIGN(made.key, read(c.key));
  return made;
}

base::Status Token::read() {
  FLEXAI_TRY_ASSIGN(std::string text, source_.read());
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos)
    text.pop_back();
  for (char c : text)
    if (c <= ' ' || c == 0x7f)
      return base::fail(Code::kInvalid, "the token" +
                                            (source_.file.empty() ? "" : " in " + source_.file) +
                                            " holds blanks or control characters");
  if (text.empty()) return base::fail(Code::kInvalid, source_.file + ": holds no token");
  token_ = std::move(text);
  return {};
}

base::Result<std::string> Token::current() {
  if (source_.empty()) return std::string();
  base::Nanos now = base::monotonic_now();
  if (!token_.empty() && (source_.file.empty() || now < looked_ + base::kSecond)) return token_;
  looked_ = now;
  struct stat st {};
  if (!source_.file.empty() && ::stat(source_.file.c_str(), &st) == 0 && !token_.empty() &&
      st.st_ino == seen_.st_ino && st.st_dev == seen_.st_dev && st.st_size == seen_.st_size &&
      st.st_mtim.tv_sec == seen_.st_mtim.tv_sec && st.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec)
    return token_;
  auto status = read();
  if (status.ok()) {
    seen_ = st;
    return token_;
  }
  if (token_.empty()) return status.error();
  base::log(base::Level::kWarn, "kube", "the token cannot be read; using the last one",
            {{"error", status.error().message}});
  return token_;
}

bool Token::renew() {
  const std::string before = token_;
  return !source_.file.empty() && read().ok() && token_ != before;
}

}  // namespace flexai::kube
