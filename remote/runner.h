// Runner: a thread, started with the first task, that runs tasks one after the other in order. For
// what must not run on the thread that finds it: callbacks of the program, waits for bulk data.
// Threads: post() from any. The destructor runs what was posted before it.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace flexai::remote {

class Runner {
 public:
  Runner() = default;
  ~Runner();
  void post(std::function<void()> task);

 private:
  void run();

  base::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ FLEXAI_GUARDED_BY(mutex_);
  bool stopping_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::thread thread_ FLEXAI_GUARDED_BY(mutex_);
  std::atomic<uint32_t> changed_{0};  // futex
};

}  // namespace flexai::remote
