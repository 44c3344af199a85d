// Watches: commands that are under way and what is to be done when each has ended. A driver calls
// back when one has, and some begin the next command only when the callback has returned (PoCL), so
// where short commands follow each other it is only noted there and a thread of ours does the rest,
// for many at once. Some drivers forget to call back for commands that fail, so those that have
// ended are also looked for, at once after a user event was failed and ten times a second while
// something is under way. Threads: any; `then` runs on a thread of the driver, ours, or the
// caller's, one after the other in the order in which the driver told. Memory: one entry a command
// under way. Lifetime: a driver may call back for a command long after the Watches are gone.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "driver/opencl/table.h"

namespace flexai::remote::opencl {

class Watches {
 public:
  using Then = std::function<void(cl_event event, cl_int status)>;

  // `flush` is called after several `then`.
  Watches(const driver::opencl::Table& table, std::function<void()> flush);
  ~Watches();

  // Takes a reference to the event. `then` is called exactly once, unless closed before.
  void add(cl_event event, Then then);
  // The same for what only frees something: `done` runs when the driver tells, before or after
  // those of other commands, and keeps them from nothing.
  void add_apart(cl_event event, std::function<void()> done);
  void sweep();  // ends the watches of those that have ended
  // No `then` runs any more, and none begins. Not within one.
  void close();
  bool quiet();  // nothing is under way, and every `then` has returned
  // True within a `then` that flush() follows: what it sends need not go at once.
  static bool among_others();

 private:
  struct Watch {
    cl_event event = nullptr;
    Then then;
    bool apart = false;
  };
  struct Told {
    uint64_t id;
    cl_int status;
  };
  struct Ticket;
  class Door;
  static void CL_CALLBACK on_event(cl_event event, cl_int status, void* data);
  void add(Watch watch);
  void told(uint64_t id, cl_int status);
  bool may_do_at_once(uint64_t id) FLEXAI_REQUIRES(mutex_);
  bool may_hold() const FLEXAI_REQUIRES(mutex_);
  void end(uint64_t id, cl_int status);
  void end_all(const std::vector<Told>& all);
  void wake();
  void run();

  const driver::opencl::Table& table_;
  const std::function<void()> flush_;
  base::Mutex mutex_;
  std::unordered_map<uint64_t, Watch> watches_ FLEXAI_GUARDED_BY(mutex_);
  std::vector<Told> told_ FLEXAI_GUARDED_BY(mutex_);   // by the driver; ours to do
  base::Nanos told_at_ FLEXAI_GUARDED_BY(mutex_) = 0;  // the last of them
  base::Nanos held_since_ FLEXAI_GUARDED_BY(mutex_) = 0;
  bool close_ FLEXAI_GUARDED_BY(mutex_) = false;  // it came soon after the one before
  uint64_t last_ FLEXAI_GUARDED_BY(mutex_) = 0;
  size_t apart_ FLEXAI_GUARDED_BY(mutex_) = 0;  // of watches_
  uint32_t ending_ FLEXAI_GUARDED_BY(mutex_) = 0, ending_apart_ FLEXAI_GUARDED_BY(mutex_) = 0;
  const std::shared_ptr<Door> door_;
  std::thread thread_ FLEXAI_GUARDED_BY(mutex_);
  bool stopping_ FLEXAI_GUARDED_BY(mutex_) = false;
  bool waits_ FLEXAI_GUARDED_BY(mutex_) = false;   // the thread, for the driver to tell something
  bool naps_ FLEXAI_GUARDED_BY(mutex_) = false;    // it, for no longer than ends are held
  bool sleeps_ FLEXAI_GUARDED_BY(mutex_) = false;  // it, until something is under way
  std::atomic<uint32_t> changed_{0};               // futex
};

}  // namespace flexai::remote::opencl
