// Command queues: made with profiling switched on, because the cost table learns from it; what the
// app asked for is what it is told.
#include <algorithm>

#include "limit/opencl/entries.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

void remember(cl_command_queue handle, cl_context context, cl_device_id device,
              cl_command_queue_properties asked, std::vector<cl_queue_properties> list) {
  Tenant* tenant = Process::get().tenant_of(device);
  if (handle == nullptr || tenant == nullptr) return;
  Queues::get().add(std::make_shared<Queue>(handle, context, tenant, asked, std::move(list)));
}

bool granted(cl_device_id device, cl_int* error) {
  if (device == nullptr || Process::get().tenant_of(device) != nullptr) return true;
  if (error != nullptr) *error = CL_INVALID_DEVICE;
  return false;
}

}  // namespace

CostTable::Entry& copy_cost(EntryId what, size_t bytes) {
  uint64_t magnitude = bytes == 0 ? 0 : 64 - static_cast<uint64_t>(__builtin_clzll(bytes));
  return Process::get().costs().find(CostTable::mix(static_cast<uint64_t>(what), magnitude));
}

cl_command_queue CL_API_CALL limit_clCreateCommandQueue(cl_context context, cl_device_id device,
                                                        cl_command_queue_properties asked,
                                                        cl_int* error) {
  if (!granted(device, error)) return nullptr;
  cl_command_queue queue =
      next().clCreateCommandQueue(context, device, asked | CL_QUEUE_PROFILING_ENABLE, error);
  if (queue == nullptr) queue = next().clCreateCommandQueue(context, device, asked, error);
  remember(queue, context, device, asked, {});
  return queue;
}

cl_command_queue CL_API_CALL limit_clCreateCommandQueueWithProperties(
    cl_context context, cl_device_id device, const cl_queue_properties* list, cl_int* error) {
  if (!granted(device, error)) return nullptr;
  std::vector<cl_queue_properties> original, changed;
  cl_command_queue_properties asked = 0;
  bool has_properties = false;
  constexpr size_t kMostPairs = 32;  // a list without its end would run away
  for (size_t i = 0; list != nullptr && list[0] != 0 && i < kMostPairs; ++i, list += 2) {
    original.insert(original.end(), {list[0], list[1]});
    changed.insert(changed.end(), {list[0], list[1]});
    if (list[0] != CL_QUEUE_PROPERTIES) continue;
    has_properties = true;
    asked = list[1];
    changed.back() |= CL_QUEUE_PROFILING_ENABLE;
  }
  if (list != nullptr) original.push_back(0);
  if ((asked & CL_QUEUE_ON_DEVICE) !=
      0)  // never enqueued to by the host; its work is part of the kernel that uses it
    return next().clCreateCommandQueueWithProperties(context, device, original.data(), error);
  if (!has_properties)
    changed.insert(changed.end(), {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE});
  changed.push_back(0);
  cl_command_queue queue =
      next().clCreateCommandQueueWithProperties(context, device, changed.data(), error);
  if (queue == nullptr)
    queue = next().clCreateCommandQueueWithProperties(
        context, device, original.empty() ? nullptr : original.data(), error);
  remember(queue, context, device, asked, std::move(original));
  return queue;
}

// References are counted here as well: the driver's count also holds those of unfinished events,
// ours among them.
cl_int CL_API_CALL limit_clRetainCommandQueue(cl_command_queue handle) {
  cl_int rc = next().clRetainCommandQueue(handle);
  Queue* queue = rc == CL_SUCCESS ? Queues::get().find(handle) : nullptr;
  if (queue != nullptr) queue->retain();
  return rc;
}

cl_int CL_API_CALL limit_clReleaseCommandQueue(cl_command_queue handle) {
  std::shared_ptr<Queue> queue = Queues::get().find_shared(handle);
  if (queue != nullptr && queue->release()) {
    queue->last_chance();
    Queues::get().remove(handle);
  }
  return next().clReleaseCommandQueue(handle);
}

cl_int CL_API_CALL limit_clGetCommandQueueInfo(cl_command_queue handle, cl_command_queue_info what,
                                               size_t room, void* out, size_t* size_ret) {
  Queue* queue = Queues::get().find(handle);
  if (queue != nullptr && what == CL_QUEUE_PROPERTIES) {
    cl_command_queue_properties value = 0;
    cl_int rc = next().clGetCommandQueueInfo(handle, what, sizeof value, &value, nullptr);
    if (rc != CL_SUCCESS) return rc;
    if ((queue->asked() & CL_QUEUE_PROFILING_ENABLE) == 0)
      value &= ~static_cast<cl_command_queue_properties>(CL_QUEUE_PROFILING_ENABLE);
    if (out != nullptr && room < sizeof value) return CL_INVALID_VALUE;
    if (out != nullptr) *static_cast<cl_command_queue_properties*>(out) = value;
    if (size_ret != nullptr) *size_ret = sizeof value;
    return CL_SUCCESS;
  }
  if (queue != nullptr && what == CL_QUEUE_PROPERTIES_ARRAY) {
    const auto& list = queue->asked_list();
    size_t size = list.size() * sizeof list[0];
    if (out != nullptr && room < size) return CL_INVALID_VALUE;
    if (out != nullptr) std::copy(list.begin(), list.end(), static_cast<cl_queue_properties*>(out));
    if (size_ret != nullptr) *size_ret = size;
    return CL_SUCCESS;
  }
  return next().clGetCommandQueueInfo(handle, what, room, out, size_ret);
}

// Deprecated since 1.1: would switch our profiling off or change the order under us, and drivers
// refuse it anyway.
cl_int CL_API_CALL limit_clSetCommandQueueProperty(cl_command_queue, cl_command_queue_properties,
                                                   cl_bool, cl_command_queue_properties*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL limit_clFinish(cl_command_queue handle) {
  cl_int rc = next().clFinish(handle);
  Queue* queue = Queues::get().find(handle);
  if (rc == CL_SUCCESS && queue != nullptr && queue->in_order()) queue->all_over();
  return rc;
}

cl_int CL_API_CALL limit_clWaitForEvents(cl_uint count, const cl_event* events) {
  cl_int rc = next().clWaitForEvents(count, events);
  if (rc != CL_SUCCESS || events == nullptr) return rc;
  for (cl_uint i = 0; i < count; ++i) {
    cl_command_queue handle = nullptr;
    if (next().clGetEventInfo(events[i], CL_EVENT_COMMAND_QUEUE, sizeof handle, &handle, nullptr) !=
        CL_SUCCESS)
      continue;
    Queue* queue = handle == nullptr ? nullptr : Queues::get().find(handle);
    if (queue != nullptr && queue->in_order()) queue->over(events[i]);
  }
  return rc;
}

}  // namespace flexai::limit::opencl
