// Errands: what blocks is done on a thread of its own, and what is to follow comes back to the
// Loop, if that is still there. Threads: run() on the Loop; the errand on its own.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/loop.h"
#include "base/mutex.h"

namespace flexai::agent::dra {

class Errands {
 public:
  explicit Errands(base::Loop* loop) : reach_(std::make_shared<Reach>()) { reach_->loop = loop; }
  ~Errands() {
    base::MutexLock lock(reach_->mutex);
    reach_->loop = nullptr;
  }
  Errands(const Errands&) = delete;
  Errands& operator=(const Errands&) = delete;

  using Then = std::function<void()>;
  void run(std::function<Then()> errand) {
    std::thread([reach = reach_, errand = std::move(errand)] {
      Then then = errand();
      base::MutexLock lock(reach->mutex);
      if (reach->loop != nullptr && then) reach->loop->post(std::move(then));
    }).detach();
  }

 private:
  struct Reach {
    base::Mutex mutex;
    base::Loop* loop FLEXAI_GUARDED_BY(mutex) = nullptr;
  };
  const std::shared_ptr<Reach> reach_;
};

}  // namespace flexai::agent::dra
