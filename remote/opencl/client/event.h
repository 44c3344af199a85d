// Event: lives on the client; the worker pushes its end. Threads: any; finish() may run in a sink.
#pragma once

#include <array>

#include "remote/opencl/client/object.h"

namespace flexai::remote::opencl {

// Where the bytes go that a command reads: rows into the program's memory.
struct Landing {
  std::byte* at = nullptr;
  size_t row = 0, rows = 1, slices = 1;  // bytes of a row, rows of a slice
  size_t row_pitch = 0, slice_pitch = 0;
  bool bulk = false;  // in one piece, straight there
  size_t size() const { return row * rows * slices; }
  bool whole() const {
    return rows * slices == 1 || (row_pitch == row && slice_pitch == row * rows);
  }
};

// Copies between bytes without gaps, of which `bytes` begin at `offset`, and the landing.
void land(const Landing& landing, size_t offset, wire::Bytes bytes);
void gather(const Landing& from, std::byte* to);

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
  // Ends it: whoever waits sees it, callbacks are called on the callback thread.
  void finish(cl_int end);

  const cl_command_type command;
  std::atomic<cl_int> status{CL_QUEUED};
  Landing landing;  // fixed before the command is sent
  base::Mutex mutex;
  std::vector<Waiter> waiters FLEXAI_GUARDED_BY(mutex);
};

}  // namespace flexai::remote::opencl
