// Starts the agent of this user (flexaid --embedded) when none runs.
#pragma once

#include <functional>

#include "base/result.h"

namespace flexai::apps {

// Returns when it is ready, or when `running` says that another command has started one meanwhile.
// The agent is in a session of its own and logs to STATE/flexaid.log.
base::Status start_embedded(const std::function<bool()>& running);

}  // namespace flexai::apps
