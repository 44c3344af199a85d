// Events: their state is here; the worker pushes their ends.
#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/client/outgoing.h"

namespace flexai::remote::opencl {

cl_int CL_API_CALL client_clWaitForEvents(cl_uint num_events, const cl_event* event_list) {
  if (num_events == 0 || event_list == nullptr) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < num_events; ++i) {
    if (get(event_list[i]) == nullptr) return CL_INVALID_EVENT;
    if (get(event_list[i])->context() != get(event_list[0])->context()) return CL_INVALID_CONTEXT;
  }
  // Waiting flushes the queues that are waited for.
  const Queue* flushed = nullptr;
  for (cl_uint i = 0; i < num_events; ++i) {
    Queue* queue = get(event_list[i])->queue();
    if (queue == nullptr || queue == flushed || get(event_list[i])->done()) continue;
    wire_clFlush(Mode::kTell, handle_of<cl_command_queue>(queue));
    flushed = queue;
  }
  flush_calls(get(event_list[0]));
  bool failed = false;
  for (cl_uint i = 0; i < num_events; ++i) {
    const Event* event = get(event_list[i]);
    if (!event->done() && Client::of(*event).await(*event) != CL_SUCCESS) return kGone;
    failed |= event->status.load() < 0;
  }
  if (failed && Client::of(*get(event_list[0])).gone()) return kGone;
  return failed ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : CL_SUCCESS;
}

cl_int CL_API_CALL client_clGetEventInfo(cl_event event, cl_event_info param_name,
                                         size_t param_value_size, void* param_value,
                                         size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const Event* known = get(event);
  if (known == nullptr) return CL_INVALID_EVENT;
  switch (param_name) {
    case CL_EVENT_COMMAND_QUEUE:
      return place.give(handle_of<cl_command_queue>(known->queue()));
    case CL_EVENT_CONTEXT:
      return place.give(handle_of<cl_context>(known->context()));
    case CL_EVENT_COMMAND_TYPE:
      return place.give(known->command);
    case CL_EVENT_COMMAND_EXECUTION_STATUS:
      if (!known->done()) flush_calls(known);  // who asks in a loop waits
      return place.give(known->status.load());
    case CL_EVENT_REFERENCE_COUNT:
      return place.give(cl_uint{known->refs.load()});
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int CL_API_CALL client_clGetEventProfilingInfo(cl_event event, cl_profiling_info param_name,
                                                  size_t param_value_size, void* param_value,
                                                  size_t* param_value_size_ret) {
  const Event* known = get(event);
  if (known == nullptr) return CL_INVALID_EVENT;
  // They came with its end, if its queue keeps them.
  const bool there = known->done() && known->times[3] != 0;
  if (there && param_name >= CL_PROFILING_COMMAND_QUEUED && param_name <= CL_PROFILING_COMMAND_END)
    return InfoPlace{param_value_size, param_value, param_value_size_ret}.give(
        cl_ulong{known->times[param_name - CL_PROFILING_COMMAND_QUEUED]});
  return wire_clGetEventProfilingInfo(Mode::kAsk, event, param_name, param_value_size, param_value,
                                      param_value_size_ret);
}

cl_int CL_API_CALL client_clSetEventCallback(cl_event event, cl_int command_exec_callback_type,
                                             EventNotify pfn_notify, void* user_data) {
  Event* known = get(event);
  if (known == nullptr) return CL_INVALID_EVENT;
  if (pfn_notify == nullptr || command_exec_callback_type < CL_COMPLETE ||
      command_exec_callback_type > CL_SUBMITTED)
    return CL_INVALID_VALUE;
  cl_int status = 0;
  {
    base::MutexLock lock(known->mutex);
    status = known->status.load();
    if (status > CL_COMPLETE) {
      known->waiters.push_back({command_exec_callback_type, pfn_notify, user_data});
    }
  }
  if (status > CL_COMPLETE) {
    Client::of(*known).watch();
    return CL_SUCCESS;
  }
  const cl_int told = status < 0 ? status : command_exec_callback_type;
  hold(known);
  Client::of(*known).call_back([known, event, told, pfn_notify, user_data] {
    pfn_notify(event, told, user_data);
    drop(known);
  });
  return CL_SUCCESS;
}

cl_event CL_API_CALL client_clCreateUserEvent(cl_context context, cl_int* errcode_ret) {
  auto* event = new Event(take_id(get(context)), get(context), nullptr, CL_COMMAND_USER);
  event->status = CL_SUBMITTED;
  const Mode mode = get(context) == nullptr ? Mode::kAsk : Mode::kTell;
  const cl_int code = wire_clCreateUserEvent(mode, context, event->id);
  return born<cl_event>(event, code, errcode_ret);
}

cl_int CL_API_CALL client_clSetUserEventStatus(cl_event event, cl_int execution_status) {
  Event* known = get(event);
  if (known == nullptr || known->command != CL_COMMAND_USER) return CL_INVALID_EVENT;
  if (execution_status > CL_COMPLETE) return CL_INVALID_VALUE;
  if (known->done()) return CL_INVALID_OPERATION;
  const cl_int code = wire_clSetUserEventStatus(Mode::kTell, event, execution_status);
  if (code != CL_SUCCESS) return code;
  flush_calls(known);
  known->finish(execution_status);
  return CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
