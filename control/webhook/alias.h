// Alias: what pods say in the words of other products, as claims. HAMi's resources of a container
// (nvidia.com/gpu, gpumem, gpumem-percentage, gpucores, priority) and its annotations
// use-gputype and nouse-gputype; KAI's annotations gpu-fraction, gpu-memory,
// gpu-fraction-num-devices and its label kai.scheduler/queue. What cannot be honoured is refused by
// name, never ignored.
//
// A claim states bytes and not parts of a card, so a percentage is taken of the smallest card that
// would do, and the pod's owner is warned of it. Source of the names: the two products' public
// documentation; what they mean here: docs/kubernetes.md. Threads: any; pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/webhook/knowledge.h"

namespace flexai::control::webhook {

struct ClaimTemplate {
  std::string name;  // the same for equal contents
  std::string body;
};

struct Rewriting {
  std::vector<ClaimTemplate> templates;  // to be made before the pod
  std::vector<std::string> warnings;     // for who makes it
  bool changed = false;
};

// Rewrites `pod`. kInvalid: it asks for what cannot be had, and the message names it.
base::Result<Rewriting> rewrite_aliases(const Knowledge& knowledge, nlohmann::json* pod);

}  // namespace flexai::control::webhook
