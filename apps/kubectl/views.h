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
// XpuPools, as the hi-scheduler says of them.
View pools_view(const Objects& pools);
// What queues have used since they were made; "-" where the hi-scheduler has not counted yet.
View usage_view(const Objects& queues);

// Why a pod does or does not run, and what to do: lines, the first says it all.
struct Explained {
  std::string reason;  // of kube/reasons.h; else of the condition PodScheduled, or Running, ...
  std::string message;
  std::string advice;
};
// `events`: those of the pod, for what happens to it after it was placed.
Explained explain_pod(const nlohmann::json& pod, const Objects& events);
// What helps against a reason of kube/reasons.h; empty: nothing special.
std::string advice_for(std::string_view reason);

}  // namespace flexai::apps
