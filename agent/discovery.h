// Discovery: which cards this host has. The agent itself knows no driver API: every program named
// flexai-probe-* beside it knows one, and tells what it finds as JSON.
//   flexai-probe-X --list        a JSON array, one string a driver (for OpenCL: the .icd files)
//   flexai-probe-X --icd DRIVER  a JSON array of model::Device: the cards behind that driver. `id`
//   is
//                                the short name without a number ("pocl"); the agent numbers them.
// Each driver is probed in a child process of its own, with a time limit: one that crashes or hangs
// becomes an entry that is not healthy, with the reason, and nothing else happens.
// Threads: any; blocks until all probes have ended. The probes run at the same time.
#pragma once

#include <string>
#include <vector>

#include "agent/child.h"
#include "model/device.h"

namespace flexai::agent {

struct DiscoveryConfig {
  std::vector<std::string> probes;  // paths of probe programs
  ChildLimits limits;
};

// Paths of the programs in `folder` whose names begin so, sorted.
std::vector<std::string> find_programs(const std::string& folder, const std::string& prefix);
inline constexpr const char* kProbes = "flexai-probe-";
inline constexpr const char* kWorkers = "flexai-worker";

// Cards in a stable order: by probe, by driver as listed, as the driver lists them. Ids are unique.
// A card whose key was seen already (one driver registered twice) appears once.
std::vector<model::Device> discover(const DiscoveryConfig& config);

}  // namespace flexai::agent
