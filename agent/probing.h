// Probing: discovery beside other work. Probes may take seconds, and an agent that comes back to
// living programs must not wait for them. Threads: its calls on one thread; the work is done on
// another.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "agent/discovery.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/mutex.h"

namespace flexai::agent {

class Probing {
 public:
  using Take = std::function<void(std::vector<model::Device>)>;

  static base::Result<std::unique_ptr<Probing>> start(DiscoveryConfig config);
  ~Probing();  // ends the probes that still run; waits for that

  std::vector<model::Device> wait();
  // Instead of wait(): `take` runs on `loop` when all probes have answered. `loop` outlives this.
  void deliver(base::Loop* loop, Take take);

 private:
  explicit Probing(base::Fd cancel) : cancel_(std::move(cancel)) {}
  void run(const DiscoveryConfig& config);
  void hand_over() FLEXAI_REQUIRES(mutex_);

  base::Fd cancel_;
  std::thread thread_;
  base::Mutex mutex_;
  bool done_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::vector<model::Device> found_ FLEXAI_GUARDED_BY(mutex_);
  base::Loop* loop_ FLEXAI_GUARDED_BY(mutex_) = nullptr;
  Take take_ FLEXAI_GUARDED_BY(mutex_);
};

}  // namespace flexai::agent
