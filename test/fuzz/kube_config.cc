// kubeconfig files of strangers, URLs and base64 among what they hold. Input: the text.
#include <nlohmann/json.hpp>

#include "kube/kubeconfig.h"
#include "kube/yaml.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)kube::base64_decoded(text).ok();
  auto server = kube::parse_server(text);
  if (server.ok())
    must(kube::parse_server((server->tls ? "https://" : "http://") + server->authority()).ok(),
         "an address that was read can be read again");
  auto credentials = kube::from_kubeconfig_text(text, "", "/folder");
  if (credentials.ok())
    must(kube::check(*credentials).ok(), "what was read passes the check");
  else
    must(!credentials.error().message.empty(), "a refusal says why");
  return 0;
}
