// Watches: the reflectors of the hi-scheduler, which fill its World. Threads: as a reflector's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "control/queue.h"
#include "control/world.h"
#include "kube/client.h"
#include "kube/reflector.h"

namespace flexai::control {

class Watches {
 public:
  struct Handlers {
    // Either may be null.
    std::function<void(const std::string& key, const PodFacts* before, const PodFacts* now)> pod;
    std::function<void(const ClaimFacts& before, const ClaimFacts& now)> claim;
    std::function<void(const std::string& key, const kube::Lease* now)> lease;
    std::function<void()> queues;
    std::function<void()> changed;  // after each of the above, and of all others
  };
  Watches(kube::Client& client, base::Loop& loop, World& world, Handlers handlers);
  ~Watches();

  bool synced() const;
  // Who leads from now on must know all that the one before has written: claims and leases are
  // listed once more, and synced() is false until they are.
  void catch_up();
  const kube::Reflector<QueueFacts>& queues() const;

 private:
  struct All;
  std::unique_ptr<All> all_;
};

}  // namespace flexai::control
