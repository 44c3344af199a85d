// `kubectl flexai drain NODE`: the node's cards get no new pods, and those that use them are
// evicted, wherever they run, as far as disruption budgets let them; done when the agent of the
// node has let go of the last slice. Other pods of the node stay. Threads: one; sleeps.
#pragma once

#include <string>

#include "apps/kubectl/views.h"
#include "base/clock.h"
#include "base/result.h"
#include "kube/client.h"

namespace flexai::apps {

struct DrainOptions {
  std::string node;
  bool undo = false;
  base::Nanos timeout = 0;  // 0: as long as it takes
};

// Pods with slices of the node's cards that are not over, each once.
struct Leaver {
  std::string ns, pod, uid;
  auto operator<=>(const Leaver&) const = default;
};
std::vector<Leaver> leavers(const Objects& leases, const std::string& node);
// How many of its slices are there, whoever they are of.
size_t slices_of(const Objects& leases, const std::string& node);

// Says on standard output what it does. kTimeout: somebody is there still.
base::Status drain(kube::Client& client, const DrainOptions& options);

}  // namespace flexai::apps
