// The hi policy in the packing experiment.
#pragma once

#include <memory>
#include <string>

#include "apps/sim/packer.h"
#include "apps/sim/trace.h"
#include "sched/policy.h"

namespace flexai::apps::sim {

std::vector<std::string> hi_policies();
// `constants`: of the costs. "hi": local only; "hi-remote": local and remote; "hi-move": both, and
// consolidation.
std::unique_ptr<Packer> make_hi(const std::string& name, sched::Cluster* cluster,
                                sched::ShapeTable* shapes, const Trace& trace,
                                sched::Policy constants = {});

}  // namespace flexai::apps::sim
