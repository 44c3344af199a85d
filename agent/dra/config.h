// What flexaid is told about the cluster. A plain value.
#pragma once

#include <string>

namespace flexai::agent::dra {

struct Config {
  std::string node;        // our name there
  std::string kubeconfig;  // empty: the pod's service account, or what kubectl would take
  std::string plugin;      // program that speaks with the kubelet
  std::string registry = "/var/lib/kubelet/plugins_registry";
  std::string plugins = "/var/lib/kubelet/plugins";
  std::string cdi = "/var/run/cdi";
  std::string image_check;  // program of image_check.h, as the node sees it
  int peer_port = 7700;     // of the agents of other nodes
};

}  // namespace flexai::agent::dra
