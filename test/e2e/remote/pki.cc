// flexai-test-pki FOLDER: an authority and a certificate for 127.0.0.1, for tests over TLS.
#include <cstdio>
#include <string>

#include "wire/pki.h"

namespace {

flexai::base::Status make(const std::string& folder) {
  using namespace flexai::wire;
  FLEXAI_TRY_ASSIGN(auto authority, make_authority("flexai tests", 2));
  FLEXAI_TRY_ASSIGN(auto host, issue(authority, "localhost", {"127.0.0.1"}, 2));
  FLEXAI_TRY(save_certificate(folder + "/ca.crt", authority.certificate));
  FLEXAI_TRY(save_certificate(folder + "/host.crt", host.certificate));
  return save_key(folder + "/host.key", host.key);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto made = make(argv[1]);
  if (!made.ok()) std::fprintf(stderr, "flexai-test-pki: %s\n", made.error().message.c_str());
  return made.ok() ? 0 : 1;
}
