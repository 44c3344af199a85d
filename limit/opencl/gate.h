// Gates: commands that cannot start yet. Such a command goes to the driver at once, with one more
// event in its wait list, the gate (a user event of ours). So the enqueue never blocks, the app
// gets the driver's own event, and the driver keeps the order. When everything it waits for has
// started or ended, the command asks for its share like any other and the pacer opens the gate.
//
// "Cannot start": its wait list, its place in an in-order queue or a barrier makes it depend on a
// user event that is not set, on another gated command that is not open, or on a command of another
// card that has not ended.
//
// Threads: any. The mutex is never held across a driver call.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "limit/opencl/queue.h"

namespace flexai::limit::opencl {

// A node of the graph of what has not started: an app's user event, a gated command, or an
// unmetered command (marker, barrier) that stands behind one of these.
struct Command {
  cl_event gate = nullptr;  // ours; null for user events and unmetered commands
  // Key in Gates::unstarted_; null until the driver has given it. An unmetered command, which may
  // end before it is known here that it may start, holds it: its address must not come again.
  cl_event event = nullptr;
  std::shared_ptr<Queue> queue;
  Nanos predicted = 0;
  Nanos booked = 0;  // what it was admitted with
  uint32_t unmet = 0;
  bool started = false;
  bool failed = false;   // the driver refused it
  bool in_call = false;  // the enqueue has not returned; the node is freed when both are done
  std::vector<Command*> dependants;
};

struct WaitList {
  cl_uint count = 0;
  const cl_event* events = nullptr;
};

class Gates {
 public:
  static Gates& get();

  // Must a command with this wait list go through a gate? `all_before`: it waits for everything
  // before it in its queue even if that is out of order (markers and barriers with an empty list).
  bool must_wait(Queue& queue, const WaitList& waits, bool all_before = false);

  using Enqueue = std::function<cl_int(cl_uint, const cl_event*, cl_event*)>;
  // Enqueues behind a gate. `entry` is null for an unmetered command. `blocking`: the call returns
  // when the command has ended. `event` is the app's, may be null.
  cl_int enqueue(Queue& queue, const WaitList& waits, CostTable::Entry* entry, bool blocking,
                 bool barrier, cl_event* event, const Enqueue& call);

  void add_user_event(cl_event event);
  // The app has set or destroyed it.
  void user_event_set(cl_event event);
  bool is_unset_user_event(cl_event event);

 private:
  void start(Command* command);  // it may run now: dependants are one step nearer
  void depend(Command* command, Command* on) FLEXAI_REQUIRES(mutex_);
  void watch_other_cards(Command* command, const WaitList& waits);
  void one_met(Command* command);
  void ready(Command* command);
  void start_one(Command* command, std::vector<Command*>* met);
  void forget(Command* command) FLEXAI_REQUIRES(mutex_);
  static void CL_CALLBACK on_other_card(cl_event event, cl_int status, void* command);

  base::Mutex mutex_;
  std::atomic<size_t> unstarted_count_{0};
  std::unordered_map<cl_event, Command*> unstarted_ FLEXAI_GUARDED_BY(mutex_);
};

// True on a thread that is inside an app's event callback: there nothing may block, so every
// command is gated.
bool in_callback();

}  // namespace flexai::limit::opencl
