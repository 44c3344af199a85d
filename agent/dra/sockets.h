// The sockets by which a kubelet finds and asks us. Each process has names of its own: a kubelet
// that still holds on to those of the last one, and waits ever longer before it tries them again,
// takes the new ones at once. Source: the rolling updates of k8s.io/dynamic-resource-allocation's
// kubeletplugin. Threads: any.
#pragma once

#include <string>

namespace flexai::agent::dra {

struct Sockets {
  std::string registry;  // in the folder that the kubelet watches
  std::string endpoint;  // in the driver's own
};

// For this process, now.
Sockets fresh_sockets(const std::string& registry, const std::string& plugins,
                      const std::string& driver);
// Removes all of the driver's but `but`.
void remove_sockets(const std::string& registry, const std::string& plugins,
                    const std::string& driver, const Sockets& but = {});

}  // namespace flexai::agent::dra
