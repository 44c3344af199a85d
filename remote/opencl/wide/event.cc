// Events: each is one of its command's host; a user event is one on every host.
#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

cl_int CL_API_CALL wait(cl_uint count, const cl_event* list) {
  if (count == 0 || list == nullptr) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < count; ++i) {
    const auto* event = wide<WideEvent>(list[i]);
    if (event == nullptr) return CL_INVALID_EVENT;
    if (event->context() != wide<WideEvent>(list[0])->context()) return CL_INVALID_CONTEXT;
  }
  std::vector<std::vector<cl_event>> by_host(wide<WideEvent>(list[0])->context()->hosts.size());
  for (cl_uint i = 0; i < count; ++i) {
    const auto* event = wide<WideEvent>(list[i]);
    by_host[event->host].push_back(event->real);
    if (event->queue() != nullptr) below().clFlush(event->queue()->real);
  }
  cl_int worst = CL_SUCCESS;
  for (const auto& its : by_host) {
    if (its.empty()) continue;
    const cl_int code = below().clWaitForEvents(static_cast<cl_uint>(its.size()), its.data());
    if (worst == CL_SUCCESS) worst = code;
  }
  return worst;
}

cl_int CL_API_CALL get_info(cl_event handle, cl_event_info name, size_t room, void* value,
                            size_t* size) {
  const auto* event = wide<WideEvent>(handle);
  if (event == nullptr) return CL_INVALID_EVENT;
  const InfoPlace place{room, value, size};
  switch (name) {
    case CL_EVENT_COMMAND_QUEUE:
      return place.give(handle_of<cl_command_queue>(event->queue()));
    case CL_EVENT_CONTEXT:
      return place.give(handle_of<cl_context>(event->context()));
    case CL_EVENT_COMMAND_TYPE:
      return place.give(event->command);
    case CL_EVENT_REFERENCE_COUNT:
      return place.give(cl_uint{event->refs.load()});
    default:
      return below().clGetEventInfo(event->real, name, room, value, size);
  }
}

cl_int CL_API_CALL get_profiling(cl_event handle, cl_profiling_info name, size_t room, void* value,
                                 size_t* size) {
  const auto* event = wide<WideEvent>(handle);
  if (event == nullptr) return CL_INVALID_EVENT;
  return below().clGetEventProfilingInfo(event->real, name, room, value, size);
}

cl_int CL_API_CALL retain(cl_event event) {
  return retain_wide<WideEvent>(event, CL_INVALID_EVENT);
}
cl_int CL_API_CALL release(cl_event event) {
  return release_wide<WideEvent>(event, CL_INVALID_EVENT);
}

struct Callback {
  WideEvent* event;  // held
  void(CL_CALLBACK* notify)(cl_event, cl_int, void*);
  void* user_data;
};

void CL_CALLBACK call(cl_event, cl_int status, void* data) {
  auto* callback = static_cast<Callback*>(data);
  callback->notify(handle_of<cl_event>(callback->event), status, callback->user_data);
  drop(callback->event);
  delete callback;
}

cl_int CL_API_CALL set_callback(cl_event handle, cl_int when, EventNotify notify, void* user_data) {
  auto* event = wide<WideEvent>(handle);
  if (event == nullptr) return CL_INVALID_EVENT;
  if (notify == nullptr) return CL_INVALID_VALUE;
  hold(event);
  auto* callback = new Callback{event, notify, user_data};
  const cl_int code = below().clSetEventCallback(event->real, when, call, callback);
  if (code != CL_SUCCESS) {
    drop(event);
    delete callback;
  }
  return code;
}

cl_event CL_API_CALL create_user(cl_context handle, cl_int* errcode_ret) {
  auto* context = wide<WideContext>(handle);
  if (context == nullptr)
    return given<cl_event, WideEvent>(nullptr, CL_INVALID_CONTEXT, errcode_ret);
  auto* event = new WideEvent(context, nullptr, CL_COMMAND_USER, 0);
  cl_int code = CL_SUCCESS;
  for (Place host = 0; code == CL_SUCCESS && host < context->hosts.size(); ++host) {
    event->proxies[host] = below().clCreateUserEvent(context->hosts[host].context, &code);
    if (code != CL_SUCCESS) event->proxies[host] = nullptr;
  }
  event->real = event->proxies.front();
  if (event->real != nullptr) below().clRetainEvent(event->real);
  return given<cl_event>(event, code, errcode_ret);
}

// Where a host is gone nobody waits any more.
cl_int CL_API_CALL set_user_status(cl_event handle, cl_int status) {
  const auto* event = wide<WideEvent>(handle);
  if (event == nullptr || event->command != CL_COMMAND_USER) return CL_INVALID_EVENT;
  cl_int code = CL_SUCCESS;
  for (Place host = 0; host < event->proxies.size(); ++host) {
    const cl_int its = below().clSetUserEventStatus(event->proxies[host], status);
    if (host == 0) code = its;
  }
  return code;
}

}  // namespace

void add_events(Table& table) {
  table.clWaitForEvents = wait;
  table.clGetEventInfo = get_info;
  table.clGetEventProfilingInfo = get_profiling;
  table.clRetainEvent = retain;
  table.clReleaseEvent = release;
  table.clSetEventCallback = set_callback;
  table.clCreateUserEvent = create_user;
  table.clSetUserEventStatus = set_user_status;
}

}  // namespace flexai::remote::opencl::wide
