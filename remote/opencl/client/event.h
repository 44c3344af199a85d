// Event: lives on the client; the worker pushes its end. Threads: any; finish() may run in a sink.
#pragma once

#include <array>

#include "remote/opencl/client/object.h"

namespace flexai::remote::opencl {

struct Event : Object {
  using Callback = void(CL_CALLBACK*)(cl_event, cl_int, void*);
  struct Waiter {
    cl_int when;
    Callback call;
    void* data;
  };

  Event(ObjectId id, Context* context, Queue* queue, cl_command_type command)
      : Object(kEvent, id, context, queue), command(command) {}
  Context* context() const { return static_cast<Context*>(parent); }
  Queue* queue() const { return static_cast<Queue*>(parent2); }

  bool done() const { return status.load(std::memory_order_acquire) <= CL_COMPLETE; }
  // Where the bytes go that the command reads, before it is sent; large ones come as bulk, straight
  // there.
  void expect(const Landing& into);
  void expect_nothing();  // the command was refused, or is over
  // Ends it: whoever waits sees it, callbacks are called on the callback thread.
  void finish(cl_int end);

  const cl_command_type command;
  std::atomic<cl_int> status{CL_QUEUED};
  Landing landing;  // fixed before the command is sent
  bool by_bulk = false;
  base::Mutex mutex;
  std::vector<Waiter> waiters FLEXAI_GUARDED_BY(mutex);
};

}  // namespace flexai::remote::opencl
