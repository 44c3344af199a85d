// What flexai-probe-opencl finds out about one vendor driver.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/device.h"

namespace flexai::apps {

// The cards of the driver that the .icd file names, in its own order; `id` holds only a proposal
// for the prefix ("pocl"). A driver without cards has none. Runs vendor code in this process: it
// may crash or hang, so the caller is a process of its own.
base::Result<std::vector<model::Device>> probe_opencl(const std::string& icd_file);

}  // namespace flexai::apps
