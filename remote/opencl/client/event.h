// Event: lives on the client; the worker pushes its end. Threads: any; finish() may run in a sink.
#pragma once

#include <array>

#include "remote/opencl/client/object.h"
#include "remote/opencl/client/pristine.h"

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
  // Where the bytes go that the command reads, before it is sent. Large ones come as bulk: straight
  // there, or beside it when there are gaps. False: there was no memory.
  bool expect(const Landing& into);
  // Large bytes that go with the command; false: they must travel in the call. `gathered`: the
  // memory that they are in, if it is ours.
  bool send(wire::Bytes bytes, std::unique_ptr<std::byte[]> gathered);
  void let_go();  // the command was refused, or is over: no bytes move any more
  // Ends it: whoever waits sees it, callbacks are called on the callback thread.
  void finish(cl_int end);

  const cl_command_type command;
  std::atomic<cl_int> status{CL_QUEUED};
  std::atomic<bool> moved{false};        // its bytes went to another host, see direct.h
  Landing landing;                       // fixed before the command is sent
  bool receives = false, sends = false;  // as bulk
  std::unique_ptr<std::byte[]> bulk;     // what moves, when it is not the program's memory
  std::shared_ptr<Pristine> pristine;    // to be filled when mapped memory is there
  std::array<uint64_t, 4> times{};       // queued to ended, on the device's clock; zeros: unknown
  base::Mutex mutex;
  std::vector<Waiter> waiters FLEXAI_GUARDED_BY(mutex);
};

}  // namespace flexai::remote::opencl
