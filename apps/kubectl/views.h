// What `kubectl flexai` shows, made from objects as the API server has them. Pure; the objects come
// from strangers, so nothing is believed to be there.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/cli/table.h"

namespace flexai::apps {

struct View {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
  nlohmann::json facts = nlohmann::json::array();  // the same for --json
};

using Objects = std::vector<nlohmann::json>;

View devices_view(const Objects& slices, const Objects& leases);
View slices_view(const Objects& leases);
View queues_view(const Objects& queues);

// Why a pod does or does not run, and what to do: lines, the first says it all.
struct Explained {
  std::string reason;  // of the condition PodScheduled, or Running, Gated, ...
  std::string message;
  std::string advice;
};
Explained explain_pod(const nlohmann::json& pod);

}  // namespace flexai::apps
