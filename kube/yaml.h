// YAML as JSON: plain scalars by the core schema (null, booleans, numbers; the rest are texts),
// quoted ones always texts. One document; no anchors or aliases, no keys twice, at most 32 levels
// and 100,000 nodes: what configuration files of strangers may not do to us. Source: YAML 1.2.2,
// chapter 10.3, parsed by libyaml. Threads: any.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/result.h"

namespace flexai::kube {

base::Result<nlohmann::json> json_from_yaml(std::string_view text);

}  // namespace flexai::kube
