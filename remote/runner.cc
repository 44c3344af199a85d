#include "remote/runner.h"

#include "base/futex.h"

namespace flexai::remote {

using base::MutexLock;

void Runner::post(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  changed_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&changed_, 1);
}

Runner::~Runner() {
  std::thread thread;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
  }
  changed_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&changed_, 1);
  if (thread.joinable()) thread.join();
}

void Runner::run() {
  for (;;) {
    uint32_t seen = changed_.load(std::memory_order_acquire);
    std::function<void()> task;
    bool stop = false;
    {
      MutexLock lock(mutex_);
      stop = stopping_;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    if (task) {
      task();
    } else if (stop) {
      return;
    } else {
      base::futex_wait(&changed_, seen, 0);
    }
  }
}

}  // namespace flexai::remote
