// PluginService: the gRPC side: registration with the kubelet, the questions about claims, and the
// health of cards. Everything is asked of the agent, over a socket; nothing is decided here, so
// that it may end at any time. Threads: those of gRPC, one for each question under way; run()
// blocks. Source: k8s.io/kubelet's pluginregistration/v1, dra/v1 and dra-health/v1alpha1.
#pragma once

#include <string>

#include "base/result.h"

namespace flexai::agent::dra {

struct PluginOptions {
  std::string registry;  // folder that the kubelet watches
  std::string plugins;   // below it lies our socket, in a folder of our own
  std::string driver;
  int agent = 0;  // the socket
};

// Until the agent is gone.
base::Status run_plugin(const PluginOptions& options);

}  // namespace flexai::agent::dra
