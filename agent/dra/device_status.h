// DeviceStatus: says in a claim's status.devices what became of its devices on this host: ready,
// with the slice and whose card it is, or why not. For people and their programs; what is true
// later is in the XpuLease. One write when it is another than said last; one that fails is not
// repeated, the next preparation says it again.
// Threads: one (the Loop's). Source: AllocatedDeviceStatus of resource.k8s.io/v1.
#pragma once

#include <map>
#include <string>

#include "base/loop.h"
#include "kube/claim.h"
#include "kube/client.h"

namespace flexai::agent::dra {

class DeviceStatus {
 public:
  DeviceStatus(kube::Client* client, base::Loop* loop, std::string node)
      : client_(client), loop_(loop), node_(std::move(node)) {}

  // `failure`: why its devices could not be prepared; empty: they are.
  void tell(const kube::Claim& claim, const std::string& failure);
  // It is prepared no more.
  void forget(const std::string& uid) { said_.erase(uid); }

 private:
  kube::Client* const client_;
  base::Loop* const loop_;
  const std::string node_;
  std::map<std::string, std::string> said_;  // by uid; without times
};

// The claim as server-side apply wants it: our devices of its status and nothing else. `when`: of
// the condition's last change.
std::string device_status_text(const kube::Claim& claim, const std::string& node,
                               const std::string& failure, const std::string& when);

}  // namespace flexai::agent::dra
