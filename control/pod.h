// PodFacts: what the hi-scheduler knows of a pod. Of most pods that is where they run and what they
// take there; of those that wait for cards, or hold some, everything in PodWish. Source: Pod of the
// core API. The text is the API server's, its content anybody's. Threads: any; pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/constraints.h"

namespace flexai::kube {
class ObjectView;
}  // namespace flexai::kube

namespace flexai::control {

struct PodClaim {
  std::string name;   // in the pod
  std::string claim;  // the object's; empty: not made yet
};

// Of a pod with resource claims.
struct PodWish {
  std::vector<PodClaim> claims;
  Constraints constraints;
  std::string constraints_key;       // equal for pods that may run on the same nodes
  std::vector<std::string> volumes;  // names of its PersistentVolumeClaims
  bool gated = false;                // by us
  size_t gates = 0;                  // all
  std::string queue, gang;           // the queue that is named, or the default
  uint32_t gang_size = 0;
  int64_t gang_timeout_s = 300;
  std::string wrong;  // what cannot be understood of the above, for people
  int32_t priority = 0;
  bool may_be_preempted = true;
  // The condition PodScheduled.
  std::string reason, message;
};

struct PodFacts {
  std::string ns, name, uid, node;
  bool finished = false;  // Succeeded or Failed
  bool running = false;
  bool deleting = false;
  bool has_controller = false;  // that makes another one when it is gone
  int64_t created_s = 0;        // since 1970
  int64_t cpu_milli = 0, memory = 0;
  std::vector<HostPort> ports;
  std::map<std::string, int64_t> extras;
  std::shared_ptr<const PodWish> wish;

  bool wants_cards() const { return wish != nullptr && !wish->claims.empty(); }
};

// Of a NodeSelector object.
std::vector<NodeTerm> terms_of(const kube::ObjectView& selector);
base::Result<PodFacts> read_pod(std::string_view text);
base::Result<NodeFacts> read_node(std::string_view text);
// 2026-01-02T03:04:05Z; 0 for anything else.
int64_t seconds_of(std::string_view time);

}  // namespace flexai::control
