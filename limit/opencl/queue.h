// Queues: every command queue of a granted card, what is submitted on it and not yet settled.
//
// In-order queues are settled cumulatively: when one command is known to be over, so are all before
// it. The ends come from, in order of preference: a blocking call that returned (no cost), a
// completion callback on the last command of a batch, or the pacer's look at the last command.
// Out-of-order queues get a callback a command.
//
// Threads: any. Lifetime: a Queue lives until the app has released it and all its callbacks have
// run.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "limit/opencl/process.h"

namespace flexai::limit::opencl {

struct Command;

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(cl_command_queue handle, cl_context context, Tenant* tenant,
        cl_command_queue_properties asked, std::vector<cl_queue_properties> asked_list)
      : handle_(handle),
        context_(context),
        tenant_(tenant),
        asked_(asked),
        asked_list_(std::move(asked_list)) {}

  cl_command_queue handle() const { return handle_; }
  cl_context context() const { return context_; }
  Tenant* tenant() const { return tenant_; }
  bool in_order() const { return (asked_ & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0; }
  cl_command_queue_properties asked() const { return asked_; }
  const std::vector<cl_queue_properties>& asked_list() const { return asked_list_; }

  // A command admitted with `predicted` (at least its expected cost) is in the driver as `event`;
  // this takes one reference of `event`.
  void submitted(cl_event event, Nanos predicted, CostTable::Entry* entry);
  // A command whose end is reported by itself (gated, or of an out-of-order queue). Takes one
  // reference.
  void follow(cl_event event, Nanos predicted, CostTable::Entry* entry);
  // Everything submitted in order so far is over, since a blocking call has just returned.
  void all_over();
  // Only if `event` is the last command: it is over.
  void over(cl_event event);
  // Looks, without waiting, whether the last command has ended. `start`: tells the driver to begin
  // what it holds back.
  void look(bool start);
  // The app's references; release() returns true for the last one.
  void retain() { references_.fetch_add(1); }
  bool release() { return references_.fetch_sub(1) == 1; }
  // The app lets go of the queue: what is still running must report its own end.
  void last_chance();
  // Is anything submitted and not settled (in-order part)?
  bool pending();
  // Is any of that behind the last command whose end the driver will tell?
  bool unreported();

  // Commands that could not start yet, oldest first; see gate.h. Guarded by Gates' own mutex.
  std::deque<Command*> blocked;
  Command* barrier = nullptr;

 private:
  // Sums over everything submitted in order up to and with some command.
  struct Mark {
    Nanos booked = 0;    // predicted time, with a floor a command
    Nanos expected = 0;  // expected time
    uint32_t count = 0;  // commands; wraps
  };
  struct Batch {
    std::shared_ptr<Queue> queue;
    Mark upto;        // booked == 0: the command alone
    Nanos predicted;  // of the command
    CostTable::Entry* entry;
    Nanos since;  // host time of submission, for entries timed by the host; else 0
  };
  // Device time of a completed command: the driver's word, or the host's where that is not to be
  // trusted.
  Nanos measure(cl_event event, const CostTable::Entry* entry, Nanos since);
  // Has the driver tell the end of `event`, of which this takes one reference. False: it refused.
  static bool report(cl_event event, Batch what);
  static void CL_CALLBACK on_complete(cl_event event, cl_int status, void* batch);
  // `measured_last`: of the last command, -1 = not known; the others of the batch count as
  // expected.
  void settle_upto(const Mark& upto, Nanos expected_last, Nanos measured_last);

  const cl_command_queue handle_;
  const cl_context context_;
  Tenant* const tenant_;
  const cl_command_queue_properties asked_;
  const std::vector<cl_queue_properties> asked_list_;

  std::atomic<uint32_t> references_{1};
  base::Mutex mutex_;
  Mark submitted_ FLEXAI_GUARDED_BY(mutex_);  // everything so far
  Mark settled_ FLEXAI_GUARDED_BY(mutex_);    // what is over
  Nanos reported_upto_ FLEXAI_GUARDED_BY(mutex_) =
      0;                                            // booked up to the last command with a callback
  Nanos ended_ FLEXAI_GUARDED_BY(mutex_) = 0;       // host time of the last known end
  Nanos last_since_ FLEXAI_GUARDED_BY(mutex_) = 0;  // Batch::since of the last command
  uint32_t jitter_ FLEXAI_GUARDED_BY(mutex_) = 12345;
  cl_event last_ FLEXAI_GUARDED_BY(mutex_) = nullptr;  // owned reference
  Nanos last_expected_ FLEXAI_GUARDED_BY(mutex_) = 0;
  CostTable::Entry* last_entry_ FLEXAI_GUARDED_BY(mutex_) = nullptr;
};

class Queues {
 public:
  static Queues& get();
  void add(std::shared_ptr<Queue> queue);
  void remove(cl_command_queue handle);
  // The queue, or null for one that is not ours to meter (device-side queues).
  std::shared_ptr<Queue> find_shared(cl_command_queue handle);
  // The same without touching a reference count. Valid while the app holds the queue, as it must
  // during a call.
  Queue* find(cl_command_queue handle);
  // Returns whether something submitted may end without a report.
  bool harvest(Tenant* tenant, bool start);

 private:
  base::Mutex mutex_;
  std::unordered_map<cl_command_queue, std::shared_ptr<Queue>> queues_ FLEXAI_GUARDED_BY(mutex_);
  std::atomic<uint64_t> generation_{
      1};  // moves with every removal; validates the per-thread memory of find()
};

// Device time of a completed command by the driver's own profiling; -1 when it does not tell.
Nanos device_time(const Table& next, cl_event event);

}  // namespace flexai::limit::opencl
