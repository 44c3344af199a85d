// What brings commands of several hosts together: copies of memory objects, events that end on one
// host when another's ends, and the bytes that move between them: straight (direct.h), or through
// the program's host.
// Threads: any; REQUIRES the context's mutex where it says so. Errors: the API's codes.
#pragma once

#include "remote/opencl/wide/object.h"

namespace flexai::remote::opencl::wide {

// The end of an event of a host, when bytes are there.
struct EventArrival : Arrival {
  EventArrival(bool is_move, cl_event at_end, cl_command_queue on);
  ~EventArrival() override;
  EventArrival(const EventArrival&) = delete;
  EventArrival& operator=(const EventArrival&) = delete;
  const cl_event event;          // held
  const cl_command_queue queue;  // which must be flushed for it to end; null: none
};

// What a program denied itself: its copies are open to it, because they move through it.
inline constexpr cl_mem_flags kHostAccess =
    CL_MEM_HOST_NO_ACCESS | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY;

// Sends the command now: flushed, it could still wait for more to be sent with it, but not when
// somebody looks at its event.
void send_now(cl_command_queue queue, cl_event event);

// The object's copy on a host, made now if there is none; null with the code. REQUIRES: the mutex.
cl_mem real_of(WideMem* mem, Place host, cl_int* code);

// An event of `host` that ends as `event` does; null with the code. REQUIRES: the mutex.
cl_event there(WideEvent* event, Place host, cl_int* code);

// Begins what `host` needs for the newest of [begin, end) of a root, and adds the events to be
// waited for there to `waits`, each held by the root's ranges. REQUIRES: the mutex.
cl_int bring(WideMem* root, size_t begin, size_t end, Place host, std::vector<cl_event>* waits);

}  // namespace flexai::remote::opencl::wide
