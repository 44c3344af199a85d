// Events: user events are the roots of what cannot start; callbacks must not block; profiling
// answers only who asked.
#include "limit/opencl/entries.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

thread_local int callback_depth = 0;

struct AppCallback {
  EventNotify notify;
  void* user;
};

void CL_CALLBACK call_app(cl_event event, cl_int status, void* data) {
  std::unique_ptr<AppCallback> callback(static_cast<AppCallback*>(data));
  ++callback_depth;
  callback->notify(event, status, callback->user);
  --callback_depth;
}

}  // namespace

bool in_callback() { return callback_depth != 0; }

cl_int CL_API_CALL limit_clSetEventCallback(cl_event event, cl_int type, EventNotify notify,
                                            void* user) {
  if (notify == nullptr) return next().clSetEventCallback(event, type, notify, user);
  auto* callback = new AppCallback{notify, user};
  cl_int rc = next().clSetEventCallback(event, type, call_app, callback);
  if (rc != CL_SUCCESS) delete callback;
  return rc;
}

cl_event CL_API_CALL limit_clCreateUserEvent(cl_context context, cl_int* error) {
  cl_event event = next().clCreateUserEvent(context, error);
  if (event != nullptr) Gates::get().add_user_event(event);
  return event;
}

cl_int CL_API_CALL limit_clSetUserEventStatus(cl_event event, cl_int status) {
  cl_int rc = next().clSetUserEventStatus(event, status);
  if (rc == CL_SUCCESS) Gates::get().user_event_set(event);
  return rc;
}

cl_int CL_API_CALL limit_clReleaseEvent(cl_event event) {
  cl_uint references = 0;
  if (Gates::get().is_unset_user_event(event) &&
      next().clGetEventInfo(event, CL_EVENT_REFERENCE_COUNT, sizeof references, &references,
                            nullptr) == CL_SUCCESS &&
      references == 1)
    Gates::get().user_event_set(
        event);  // it can never be set any more, and its address may come again
  return next().clReleaseEvent(event);
}

cl_int CL_API_CALL limit_clGetEventProfilingInfo(cl_event event, cl_profiling_info what,
                                                 size_t room, void* out, size_t* size_ret) {
  cl_command_queue handle = nullptr;
  if (next().clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof handle, &handle, nullptr) ==
          CL_SUCCESS &&
      handle != nullptr) {
    Queue* queue = Queues::get().find(handle);
    if (queue != nullptr && (queue->asked() & CL_QUEUE_PROFILING_ENABLE) == 0)
      return CL_PROFILING_INFO_NOT_AVAILABLE;
  }
  return next().clGetEventProfilingInfo(event, what, room, out, size_ret);
}

}  // namespace flexai::limit::opencl
