// Birth: an object that a call makes: its id, taken before the call, and what becomes of both when
// the call is refused. Threads: the caller's.
#pragma once

#include "remote/opencl/client/event.h"

namespace flexai::remote::opencl {

// The event of an enqueue. `event` is where the program wants it; null: it does not, and there is
// none, unless `always`.
class Birth {
 public:
  Birth(cl_command_queue queue, cl_command_type command, cl_event* event, bool always = false);
  ~Birth();
  Birth(const Birth&) = delete;
  Birth& operator=(const Birth&) = delete;

  // False: there are as many objects as there may be. The command is not to be sent.
  bool ok() const { return !full_; }
  ObjectId id() const { return event_ == nullptr ? 0 : event_->id; }
  Event* event() { return event_; }
  // Gives the event to the program when `code` is success, else forgets it; returns `code`.
  cl_int done(cl_int code);
  // The same, and waits for the end of the command first.
  cl_int done_and_ended(cl_int code, bool waited_for_others);

 private:
  cl_event* const place_;
  Event* event_ = nullptr;
  bool full_ = false;  // there were no more ids
};

// An id for an object; 0 when there are too many. `near`: what the object is made from, whose
// worker will have it.
ObjectId take_id(const Object* near);
void give_back_id(const Object* near, ObjectId id);

cl_command_queue queue_of(const cl_command_queue* queues, cl_uint count,
                          cl_command_buffer_khr buffer);

// What a create returns: the handle, or null with the code in *errcode_ret. `made` belongs to it.
template <typename Handle, typename T>
Handle born(T* made, cl_int code, cl_int* errcode_ret) {
  // Without an id it is nothing to the worker.
  if (code == CL_SUCCESS && made->id == 0) code = CL_OUT_OF_HOST_MEMORY;
  if (errcode_ret != nullptr) *errcode_ret = code;
  if (code == CL_SUCCESS) return handle_of<Handle>(made);
  if (made != nullptr) {
    give_back_id(made, made->id);
    drop(made->parent);
    drop(made->parent2);
    delete made;
  }
  return nullptr;
}

}  // namespace flexai::remote::opencl
