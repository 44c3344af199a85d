// Quantities as Kubernetes writes them: "300", "1Gi", "500m", "1e3". Source: the grammar of
// resource.Quantity in the API conventions; what the API server lets pass as whole numbers is
// rounded up, as its Value() does. Threads: any; pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::kube {

// kInvalid for what is no quantity, is negative or does not fit.
base::Result<uint64_t> parse_quantity(std::string_view text);

// Whole: "1048576" is "1Mi", as the server writes it back.
std::string binary_quantity(uint64_t value);

}  // namespace flexai::kube
