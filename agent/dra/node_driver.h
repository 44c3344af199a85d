// NodeDriver: the agent as driver xpu.flexai.io of dynamic resource allocation on its node: wires
// the parts of this folder together. Threads: one (the agent's Loop).
#pragma once

#include <memory>

#include "agent/companion.h"
#include "agent/dra/config.h"

namespace flexai::agent::dra {

// Fails when there are no credentials; an API server that cannot be reached is waited for.
base::Result<std::unique_ptr<Companion>> make_node_driver(const Surroundings& around,
                                                          const Config& config);

}  // namespace flexai::agent::dra
