// Loop: one thread that owns state; other threads post work to it. Wraps epoll.
// Threads: run() is called on one thread; watch, unwatch and at() on that thread only (or before
// run()); post() and stop() from any thread. Lifetime: outlives every fd it watches; callbacks may
// unwatch themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"

namespace flexai::base {

class Loop {
 public:
  using Task = std::function<void()>;
  using OnReady = std::function<void(uint32_t epoll_events)>;
  using TimerId = uint64_t;

  static Result<std::unique_ptr<Loop>> make();
  ~Loop();

  // `fd` is borrowed. `events` as epoll (EPOLLIN, ...), level-triggered.
  Status watch(int fd, uint32_t events, OnReady on_ready);
  void unwatch(int fd);

  // Runs `task` once at monotonic time `when` (at once when past). cancel() of a fired timer does
  // nothing.
  TimerId at(Nanos when, Task task);
  void cancel(TimerId id);

  void post(Task task);
  void run();  // until stop()
  void stop();

 private:
  Loop(Fd epoll, Fd wake);
  void run_posted();
  int run_timers();  // milliseconds until the next one, -1 none

  Fd epoll_;
  Fd wake_;
  struct Watch {
    int fd;
    OnReady on_ready;
  };
  std::map<int, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<Nanos, TimerId>, Task> timers_;
  TimerId next_timer_ = 1;
  Mutex mutex_;
  std::vector<Task> posted_ FLEXAI_GUARDED_BY(mutex_);
  bool stopping_ FLEXAI_GUARDED_BY(mutex_) = false;
};

}  // namespace flexai::base
