// Runs the user's program as if the shell had started it: same terminal, same process group, same
// exit code; signals sent to us go to it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace flexai::apps {

// Waits for the end of the program. Its exit code, 128 + N when signal N ended it, 127 (with a line
// on standard error) when it is not found, 126 when it cannot be executed. Orphans of the program
// stay below this process while it lives (child subreaper), so that the agent knows whose they are.
base::Result<int> run_program(const std::vector<std::string>& command);

}  // namespace flexai::apps
