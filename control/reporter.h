// Reporter: tells people why their pods wait: a condition and an event of each pod, when the reason
// is another one, and again after a while; all together at most kRate a second, so that many pods
// that wait do not drown the server. Threads: one. Lifetime: the client outlives it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "control/world.h"
#include "kube/client.h"
#include "kube/rate_limit.h"

namespace flexai::control {

class Reporter {
 public:
  static constexpr double kRate = 20, kBurst = 100;
  Reporter(kube::Client& client, const World& world, std::string instance)
      : client_(client), world_(world), instance_(std::move(instance)) {}

  // All that waits now, with the reason. `now`: monotonic. True: some could not be told yet.
  bool tell(const std::map<std::string, std::string>& reasons, base::Nanos now);
  // Something was done to it. Dropped when too much is said already.
  void say(const PodFacts& pod, const std::string& reason, const std::string& message);
  uint64_t told() const { return told_; }

 private:
  struct Told {
    std::string reason;
    base::Nanos at = 0, pause = 0;  // until it may be told again
  };
  kube::Client& client_;
  const World& world_;
  const std::string instance_;
  kube::TokenBucket bucket_{kRate, kBurst};
  std::unordered_map<std::string, Told> known_;
  uint64_t told_ = 0;
};

// "NoCards: 0/2 nodes: 1 with taints not tolerated, 1 without a card that has 300 of its compute
// free".
std::string words_of(const sched::Verdict& verdict, const model::Workload& work, size_t nodes,
                     const std::map<std::string, int>& obstacles);

}  // namespace flexai::control
