// Publisher: the node's cards as one ResourceSlice: written when it is not there or not right, and
// read back; never without need. The watch that shows what is there also shows when somebody (the
// kubelet, after a long absence of ours) has removed it. Threads: one (the agent's Loop).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/companion.h"
#include "agent/dra/published.h"
#include "kube/client.h"
#include "kube/reflector.h"

namespace flexai::agent::dra {

class Publisher {
 public:
  Publisher(const Surroundings& around, kube::Client* client, std::string node);
  void start();
  // The cards may have changed.
  void look();

 private:
  void node_read(const kube::Reply& answer);
  void watch();
  nlohmann::json wanted();
  void write(const std::string& name, const std::string& resource_version, int64_t generation);
  void written(const kube::Reply& answer);
  void remove(const std::string& name);
  void again();

  const Surroundings around_;
  kube::Client* const client_;
  const std::string node_;
  std::string node_uid_;
  bool shared_ = true;                // the server keeps the fields of sharing
  bool busy_ = false;                 // a write is under way
  bool waiting_ = false;              // for a later look
  std::vector<model::Device> cards_;  // when wires_ were looked at
  Wires wires_;
  // Text of each slice of our driver on this node.
  std::unique_ptr<kube::Reflector<std::string>> slices_;
};

}  // namespace flexai::agent::dra
