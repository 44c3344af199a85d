// ClaimRequests: agents of other nodes that ask for the cards of this one, for pods of theirs. What
// they say is only where to look: granted is what the API server says of the claim and its pod.
// Threads: one (the agent's Loop).
#pragma once

#include <memory>

#include "agent/companion.h"
#include "agent/dra/grants.h"
#include "kube/client.h"

namespace flexai::agent::dra {

class ClaimRequests {
 public:
  ClaimRequests(const Surroundings& around, kube::Client* client, Grants* grants, std::string node)
      : around_(around), client_(client), grants_(grants), node_(std::move(node)) {}

  void post(const Api::Request& call, const Api::Reply& reply);

 private:
  struct Request;
  using RequestPtr = std::shared_ptr<Request>;
  void claim_read(const RequestPtr& request, const kube::Reply& answer);
  void lease_read(const RequestPtr& request, const kube::Reply& answer);
  void look_for(const RequestPtr& request, const kube::Lease* lease);
  void next_pod(const RequestPtr& request);
  void pod_read(const RequestPtr& request, const kube::Reply& answer);
  void grant(const RequestPtr& request);

  const Surroundings around_;
  kube::Client* const client_;
  Grants* const grants_;
  const std::string node_;
};

// Whether the pod is this one and is bound to `node`.
bool is_bound(std::string_view pod, const std::string& uid, const std::string& node);

}  // namespace flexai::agent::dra
