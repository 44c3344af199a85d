// Watches: commands that are under way and what is to be done when each has ended. A driver calls
// back when one has; some forget it for those that fail, so those that have ended are looked for,
// at once after a user event was failed and ten times a second while something is under way.
// Threads: any; `then` runs on a thread of the driver, the sweeping one, or the caller's. Memory:
// one entry a command under way.
#pragma once

#include <functional>
#include <thread>
#include <unordered_map>

#include "base/mutex.h"
#include "driver/opencl/table.h"

namespace flexai::remote::opencl {

class Watches {
 public:
  using Then = std::function<void(cl_event event, cl_int status)>;

  explicit Watches(const driver::opencl::Table& table) : table_(table) {}
  ~Watches();

  // Takes a reference to the event. `then` is called exactly once.
  void add(cl_event event, Then then);
  void sweep();  // ends the watches of those that have ended
  bool quiet();  // nothing is under way, and every `then` has returned

 private:
  struct Watch {
    cl_event event = nullptr;
    Then then;
  };
  struct Ticket;
  static void CL_CALLBACK on_event(cl_event event, cl_int status, void* data);
  void end(uint64_t id, cl_int status);
  void run();

  const driver::opencl::Table& table_;
  base::Mutex mutex_;
  std::unordered_map<uint64_t, Watch> watches_ FLEXAI_GUARDED_BY(mutex_);
  uint64_t last_ FLEXAI_GUARDED_BY(mutex_) = 0;
  uint32_t ending_ FLEXAI_GUARDED_BY(mutex_) = 0;
  std::thread sweeper_ FLEXAI_GUARDED_BY(mutex_);
  bool stopping_ FLEXAI_GUARDED_BY(mutex_) = false;
  bool sleeps_ FLEXAI_GUARDED_BY(mutex_) = false;  // the sweeper, until something is under way
  std::atomic<uint32_t> changed_{0};               // futex
};

}  // namespace flexai::remote::opencl
