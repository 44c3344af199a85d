// The options of flexaid.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "agent/agent.h"
#include "agent/dra/config.h"

namespace flexai::apps {

struct AgentOptions {
  agent::AgentConfig config;
  agent::dra::Config cluster;
  std::string state, runtime, log_file, lock_folder, libraries, programs;
  bool kubernetes = false;
  int ready_fd = -1;
  uint64_t tenant_cache = 1024;
  double idle_exit = 0, probe_time = 20, grace = 30, lease = 300;
  bool verbose = false;

  void add_to(CLI::App& app);
  // Fills in what was not given, from the form (service or embedded) and the installation.
  void complete(bool idle_given);
  // Libraries and programs, where --libraries and --programs say.
  base::Status publish();
};

}  // namespace flexai::apps
