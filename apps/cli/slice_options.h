// The options that describe a slice, the same for `run`, `slice create` and `slice set`.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace flexai::apps {

struct SliceOptions {
  std::string card, compute, memory, qos, ceiling, priority;

  void add_to(CLI::App* command, bool with_card);
  bool any() const;
  // The fields that were given, as the agent takes them.
  base::Result<nlohmann::json> to_json() const;
};

}  // namespace flexai::apps
