#include "apps/agent_options.h"

#include <unistd.h>

#include <filesystem>

#include "agent/discovery.h"
#include "agent/dra/image_check.h"
#include "agent/dra/node_driver.h"
#include "agent/published_libraries.h"
#include "agent/published_programs.h"
#include "apps/installation.h"

namespace flexai::apps {

namespace {

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

void AgentOptions::add_to(CLI::App& app) {
  auto& c = config;
  app.add_flag("--embedded", c.embedded, "serve this user only; leave after a minute without use");
  app.add_option("--state", state, "folder of the checkpoint")->take_last();
  app.add_option("--runtime", runtime, "folder of the sockets")->take_last();
  app.add_option("--probe", c.probes, "probe program instead of those installed (repeatable)");
  app.add_option("--probe-time", probe_time, "seconds a driver has to answer a probe");
  app.add_option("--inject", c.inject_folder, "folder of the files that say how to limit an API");
  app.add_option("--libdir", c.libdir, "folder of the libraries they name");
  app.add_option("--keeper", c.keeper_program, "path of flexai-keeper");
  app.add_option(
         "--listen", c.listen,
         "serve slices to other hosts at ADDRESS[:PORT] (port 7700): TLS, with certificates")
      ->take_last();
  app.add_option("--metrics", c.metrics,
                 "serve /metrics, /healthz and /readyz at HOST:PORT, over plain HTTP");
  app.add_option("--pki", c.pki, "folder of this host's certificate: host.crt, host.key, ca.crt");
  app.add_flag("--kubernetes", kubernetes, "be the driver xpu.flexai.io of this node of a cluster");
  app.add_option("--node", cluster.node, "name of the node")->envname("NODE_NAME");
  app.add_option("--kubeconfig", cluster.kubeconfig,
                 "credentials; without it those of the pod, then those of kubectl");
  app.add_option(
      "--libraries", libraries,
      "folder for copies of what programs are given, where they and container runtimes see "
      "it; for an agent in a container");
  app.add_option(
      "--programs", programs,
      "folder of the host for copies of keeper and workers, which run on the host then and "
      "outlive this agent's container; --worker-cgroup is a name of the host's (flexai)");
  app.add_option("--plugin-registry", cluster.registry, "folder of the kubelet's plugin registry");
  app.add_option("--plugin-folder", cluster.plugins, "folder of the kubelet's plugins");
  app.add_option("--cdi", cluster.cdi, "folder where the container runtime finds devices");
  app.add_option("--peer-port", cluster.peer_port, "port of the agents of other nodes (7700)")
      ->check(CLI::Range(1, 65535));
  app.add_option("--worker-user", c.worker_user, "user of workers, when this is root");
  app.add_option("--worker-cgroup", c.worker_group,
                 "control group below which each worker gets its own");
  app.add_option("--grace", grace, "seconds a program without connection keeps its slice (30)");
  app.add_option("--lease", lease, "seconds a lease of another host's program is valid (300)");
  app.add_option("--tenant-cache", tenant_cache,
                 "MiB that the workers of a tenant keep of what they build (1024); 0: nothing");
  app.add_option("--group", c.group, "group that may use the sockets");
  app.add_option("--lock-folder", lock_folder, "folder of the host-wide card locks");
  app.add_option("--idle-exit", idle_exit, "leave after so many seconds without use; 0 = never")
      ->take_last();
  app.add_flag("--reset-state", c.reset_state,
               "set a damaged checkpoint aside; forgets all slices");
  app.add_option("--log", log_file, "append log lines to this file instead of standard error");
  app.add_flag("--verbose", verbose, "log more");
  app.add_option("--ready-fd", ready_fd, "write one line there when ready or failed");
}

void AgentOptions::complete(bool idle_given) {
  auto here = find_installation();
  auto& c = config;
  c.folders = c.embedded ? agent::embedded_folders() : agent::service_folders();
  if (!state.empty()) c.folders.state = state;
  if (!runtime.empty()) c.folders.runtime = runtime;
  if (!lock_folder.empty()) c.locks = {lock_folder, lock_folder + "-"};
  if (c.probes.empty()) {
    for (const auto& folder : {here.bin, here.libexec})
      for (const auto& probe : agent::find_programs(folder, agent::kProbes))
        c.probes.push_back(probe);
  }
  if (c.inject_folder.empty()) c.inject_folder = here.share + "/inject";
  if (c.libdir.empty()) c.libdir = libraries.empty() ? here.lib : libraries;
  if (c.keeper_program.empty()) c.keeper_program = here.program("flexai-keeper");
  const std::string worker = here.program("flexai-worker");
  c.worker_folder = worker.substr(0, worker.rfind('/'));
  if (c.pki.empty()) c.pki = default_pki();
  c.grace = static_cast<base::Nanos>(grace * 1e9);
  c.lease = static_cast<base::Nanos>(lease * 1e9);
  c.tenant_cache = tenant_cache << 20;
  if (c.group.empty() && !c.embedded) c.group = "flexai";
  if (c.embedded && !idle_given) idle_exit = 60;
  c.idle_exit = static_cast<base::Nanos>(idle_exit * 1e9);
  if (kubernetes) {
    if (cluster.plugin.empty()) cluster.plugin = here.program("flexai-dra");
    if (cluster.node.empty()) cluster.node = host_name();
    cluster.image_check = c.libdir + "/" + agent::dra::kImageCheck;
    c.companion = [chosen = cluster](const agent::Surroundings& around) {
      return agent::dra::make_node_driver(around, chosen);
    };
  }
  c.probe_limits.time = static_cast<base::Nanos>(probe_time * 1e9);
}

base::Status AgentOptions::publish() {
  const auto here = find_installation();
  if (!libraries.empty()) FLEXAI_TRY(agent::publish_libraries(here.lib, libraries));
  if (programs.empty()) return {};
  std::vector<std::string> outliving{config.keeper_program};
  for (const auto& worker : agent::find_programs(config.worker_folder, agent::kWorkers))
    outliving.push_back(worker);
  std::error_code ignored;
  std::filesystem::create_directories(programs, ignored);
  auto& outside = config.outside;
  outside.group = config.worker_group.empty() ? "flexai" : config.worker_group;
  FLEXAI_TRY(agent::check_outside(programs, outside.group));
  FLEXAI_TRY_ASSIGN(const auto set, agent::publish_programs(outliving, here.needed, programs));
  agent::drop_unused_programs(programs, set);
  config.keeper_program = set.programs + "/flexai-keeper";
  config.worker_folder = set.programs;
  outside.launcher = here.program("flexai-outside");
  outside.libraries = set.libraries;
  outside.log = config.folders.runtime + "/workers.log";
  return {};
}

}  // namespace flexai::apps
