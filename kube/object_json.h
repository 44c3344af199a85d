// An object of the API server as JSON, for those who list tens of thousands: parsed by simdjson,
// and what nobody reads is not kept: metadata.managedFields, which is half of most objects,
// status.containerStatuses of pods and status.images of nodes.
// Otherwise it is what model::parse_json() makes of the text, with the same bounds; numbers that
// simdjson does not take are left to that. Threads: any; a parser is kept for each thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/result.h"

namespace flexai::kube {

base::Result<nlohmann::json> parse_object(std::string_view text);

}  // namespace flexai::kube
