// ResourceClaims and XpuLeases as anybody may have written them, and quantities. Input: the text.
#include <nlohmann/json.hpp>

#include "kube/claim.h"
#include "kube/lease.h"
#include "kube/quantity.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto quantity = kube::parse_quantity(text);
  if (quantity.ok())
    must(*kube::parse_quantity(kube::binary_quantity(*quantity)) == *quantity,
         "a quantity that was written is read back");
  auto claim = kube::parse_claim(text);
  if (claim.ok()) {
    for (const kube::ClaimResult& result : claim->results) {
      must(result.driver == "xpu.flexai.io", "only results of ours");
      auto config = kube::config_of(*claim, result);
      must(config.ok() ? config->ceiling_milli >= 1 && config->ceiling_milli <= 1000
                       : !config.error().message.empty(),
           "a configuration in its bounds, or why not");
    }
  } else {
    must(!claim.error().message.empty(), "a refusal says why");
  }
  auto lease = kube::parse_lease(text);
  if (lease.ok())
    must(lease->name == kube::lease_name(lease->spec.claim.uid, lease->index),
         "a lease is named after its claim");
  return 0;
}
