// Queues: each is one of its device's host.
#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/command.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

// `make(context)` makes the real one.
template <typename Make>
cl_command_queue create(cl_context handle, cl_device_id device, cl_int* errcode_ret, Make make) {
  auto* context = wide<WideContext>(handle);
  if (context == nullptr)
    return given<cl_command_queue, WideQueue>(nullptr, CL_INVALID_CONTEXT, errcode_ret);
  const Place host = context->host_of(device);
  if (host == context->hosts.size())
    return given<cl_command_queue, WideQueue>(nullptr, CL_INVALID_DEVICE, errcode_ret);
  auto* queue = new WideQueue(context, host);
  cl_int code = CL_SUCCESS;
  queue->real = make(context->hosts[host].context, &code);
  return given<cl_command_queue>(queue, code, errcode_ret);
}

cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id device,
                                          cl_command_queue_properties properties, cl_int* code) {
  return create(context, device, code, [&](cl_context its, cl_int* its_code) {
    return below().clCreateCommandQueue(its, device, properties, its_code);
  });
}

cl_command_queue CL_API_CALL create_with_properties(cl_context context, cl_device_id device,
                                                    const cl_queue_properties* properties,
                                                    cl_int* code) {
  return create(context, device, code, [&](cl_context its, cl_int* its_code) {
    return below().clCreateCommandQueueWithProperties(its, device, properties, its_code);
  });
}

cl_int CL_API_CALL retain(cl_command_queue queue) {
  return retain_wide<WideQueue>(queue, CL_INVALID_COMMAND_QUEUE);
}

// Flushes, as the API says.
cl_int CL_API_CALL release(cl_command_queue queue) {
  if (const auto* known = wide<WideQueue>(queue); known != nullptr) below().clFlush(known->real);
  return release_wide<WideQueue>(queue, CL_INVALID_COMMAND_QUEUE);
}

cl_int CL_API_CALL get_info(cl_command_queue queue, cl_command_queue_info name, size_t room,
                            void* value, size_t* size) {
  const auto* known = wide<WideQueue>(queue);
  if (known == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const InfoPlace place{room, value, size};
  if (name == CL_QUEUE_CONTEXT) return place.give(handle_of<cl_context>(known->context()));
  if (name == CL_QUEUE_REFERENCE_COUNT) return place.give(cl_uint{known->refs.load()});
  return below().clGetCommandQueueInfo(known->real, name, room, value, size);
}

cl_int CL_API_CALL set_property(cl_command_queue queue, cl_command_queue_properties properties,
                                cl_bool enable, cl_command_queue_properties* old) {
  const auto* known = wide<WideQueue>(queue);
  if (known == nullptr) return CL_INVALID_COMMAND_QUEUE;
  return below().clSetCommandQueueProperty(known->real, properties, enable, old);
}

cl_int CL_API_CALL flush(cl_command_queue queue) {
  const auto* known = wide<WideQueue>(queue);
  return known == nullptr ? CL_INVALID_COMMAND_QUEUE : below().clFlush(known->real);
}

cl_int CL_API_CALL finish(cl_command_queue queue) {
  const auto* known = wide<WideQueue>(queue);
  return known == nullptr ? CL_INVALID_COMMAND_QUEUE : below().clFinish(known->real);
}

cl_int CL_API_CALL marker_with_waits(cl_command_queue queue, cl_uint count, const cl_event* waits,
                                     cl_event* event) {
  return Command(queue, CL_COMMAND_MARKER, {count, waits}, event)
      .run({}, false, [](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its) {
        return below().clEnqueueMarkerWithWaitList(real, n, list, its);
      });
}

cl_int CL_API_CALL barrier_with_waits(cl_command_queue queue, cl_uint count, const cl_event* waits,
                                      cl_event* event) {
  return Command(queue, CL_COMMAND_BARRIER, {count, waits}, event)
      .run({}, false, [](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its) {
        return below().clEnqueueBarrierWithWaitList(real, n, list, its);
      });
}

cl_int CL_API_CALL marker(cl_command_queue queue, cl_event* event) {
  if (event == nullptr) return CL_INVALID_VALUE;
  return marker_with_waits(queue, 0, nullptr, event);
}

cl_int CL_API_CALL barrier(cl_command_queue queue) {
  return barrier_with_waits(queue, 0, nullptr, nullptr);
}

cl_int CL_API_CALL wait_for_events(cl_command_queue queue, cl_uint count, const cl_event* events) {
  if (count == 0 || events == nullptr) return CL_INVALID_VALUE;
  return barrier_with_waits(queue, count, events, nullptr);
}

// The bytes go there now, as the next command on that host would have them go.
cl_int CL_API_CALL migrate(cl_command_queue queue, cl_uint num_mems, const cl_mem* mems,
                           cl_mem_migration_flags flags, cl_uint count, const cl_event* waits,
                           cl_event* event) {
  if (num_mems == 0 || mems == nullptr) return CL_INVALID_VALUE;
  const bool drops = (flags & CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED) != 0;
  std::vector<Use> uses;
  for (cl_uint i = 0; i < num_mems; ++i)
    uses.push_back(whole(mems[i], drops ? Access::kWrite : Access::kRead));
  Command command(queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, {count, waits}, event);
  return command.run(uses, false,
                     [&](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its) {
                       std::vector<cl_mem> reals;
                       for (cl_uint i = 0; i < num_mems; ++i)
                         reals.push_back(command.real(mems[i]));
                       return below().clEnqueueMigrateMemObjects(real, num_mems, reals.data(),
                                                                 flags, n, list, its);
                     });
}

}  // namespace

void add_queues(Table& table) {
  table.clCreateCommandQueue = create_queue;
  table.clCreateCommandQueueWithProperties = create_with_properties;
  table.clRetainCommandQueue = retain;
  table.clReleaseCommandQueue = release;
  table.clGetCommandQueueInfo = get_info;
  table.clSetCommandQueueProperty = set_property;
  table.clFlush = flush;
  table.clFinish = finish;
  table.clEnqueueMarker = marker;
  table.clEnqueueMarkerWithWaitList = marker_with_waits;
  table.clEnqueueBarrier = barrier;
  table.clEnqueueBarrierWithWaitList = barrier_with_waits;
  table.clEnqueueWaitForEvents = wait_for_events;
  table.clEnqueueMigrateMemObjects = migrate;
}

}  // namespace flexai::remote::opencl::wide
