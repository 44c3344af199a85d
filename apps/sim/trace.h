// Trace: the nodes and tasks of a recorded cluster. Reads openb (Alibaba cluster-trace-gpu-v2023).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sched/cluster.h"

namespace flexai::apps::sim {

struct TraceNode {
  std::string name;
  sched::NodeSpec spec;
};

struct TraceTask {
  std::string name;
  sched::Shape shape;
  int64_t created_s = 0;
  int64_t deleted_s = 0;  // 0 with created_s 0: the list has no times
};

struct Trace {
  std::vector<std::string> models;  // of NodeSpec::model
  std::vector<TraceNode> nodes;     // by name
  std::vector<TraceTask> tasks;     // by name
};

// The folder that --trace names: an existing folder, or a mix file (apps/sim/mix_file.h), as it is;
// else, for the name "openb", the first that exists of $FLEXAI_TRACES/openb, traces/openb and
// ../shared/traces/openb, the latter two beside the present folder and up to three above it.
base::Result<std::string> find_trace(const std::string& name);
// `list`: "default", "cpu050" ...: openb_pod_list_<list>.csv of the folder.
base::Result<Trace> read_openb(const std::string& folder, const std::string& list);
// Every list of the folder that has published results, in the published order of 17; those present.
std::vector<std::string> openb_lists();

}  // namespace flexai::apps::sim
