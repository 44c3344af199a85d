#include "remote/opencl/client/birth.h"

#include "remote/opencl/client/client.h"
#include "remote/opencl/client/outgoing.h"

namespace flexai::remote::opencl {

ObjectId take_id(const Object* near) {
  Client& client = Client::of(near);
  if (client.in_child()) return 0;
  auto id = client.ids().take();
  return id.ok() ? *id : 0;
}

void give_back_id(const Object* near, ObjectId id) {
  Client& client = Client::of(near);
  if (id != 0 && !client.in_child()) client.ids().give_back(id);
}

Birth::Birth(cl_command_queue command_queue, cl_command_type command, cl_event* event, bool always)
    : place_(event) {
  Queue* queue = get(command_queue);
  if (queue == nullptr || (event == nullptr && !always)) return;
  const ObjectId id = take_id(queue);
  full_ = id == 0;
  if (full_) return;
  event_ = new Event(id, queue->context(), queue, command);
  Client::of(event_).expect(event_);
}

Birth::~Birth() {
  if (event_ != nullptr) drop(event_);
}

cl_int Birth::done(cl_int code) {
  if (full_) return Client::get().in_child() ? kGone : CL_OUT_OF_HOST_MEMORY;
  if (event_ == nullptr) return code;
  if (code != CL_SUCCESS) {
    event_->let_go();
    Client::of(event_).forget(event_);
    return code;
  }
  if (place_ != nullptr) {
    *place_ = handle_of<cl_event>(event_);
  } else {
    // Nobody will release it.
    event_->refs.store(0);
    wire_clReleaseEvent(Mode::kTell, handle_of<cl_event>(event_));
    drop(event_);
  }
  event_ = nullptr;
  return code;
}

cl_int Birth::done_and_ended(cl_int code, bool waited_for_others) {
  if (full_ || code != CL_SUCCESS) return done(code);
  flush_calls(event_);
  code = Client::of(event_).await(*event_);
  const cl_int status = event_->status.load();
  [[maybe_unused]] const cl_int given = done(CL_SUCCESS);
  if (code != CL_SUCCESS || status >= 0) return code;
  return waited_for_others ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : status;
}

cl_command_queue queue_of(const cl_command_queue* queues, cl_uint count,
                          cl_command_buffer_khr buffer) {
  if (queues != nullptr && count != 0) return queues[0];
  const CommandBuffer* commands = get(buffer);
  return commands == nullptr ? nullptr : handle_of<cl_command_queue>(commands->queue());
}

}  // namespace flexai::remote::opencl
