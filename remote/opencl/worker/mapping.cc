#include "remote/opencl/worker/mapping.h"

#include "remote/opencl/worker/contents.h"

namespace flexai::remote::opencl {

using driver::opencl::Table;

namespace {

base::Result<cl_command_queue> queue_for(const Table& table, OwnQueues& queues, cl_mem object) {
  cl_context context = nullptr;
  table.clGetMemObjectInfo(object, CL_MEM_CONTEXT, sizeof context, &context, nullptr);
  return queues.of(context);
}

}  // namespace

base::Status unmap_now(const Table& table, OwnQueues& queues, Mapping& mapping) {
  FLEXAI_TRY_ASSIGN(auto* const queue, queue_for(table, queues, mapping.object));
  cl_int code =
      table.clEnqueueUnmapMemObject(queue, mapping.object, mapping.place.at, 0, nullptr, nullptr);
  if (code == CL_SUCCESS) code = table.clFinish(queue);
  if (code != CL_SUCCESS) return driver_failed("unmapping memory", code);
  mapping.place.at = nullptr;
  return {};
}

bool map_again(const Table& table, OwnQueues& queues, Mapping& mapping) {
  if (mapping.place.at != nullptr) return true;
  auto queue = queue_for(table, queues, mapping.object);
  if (queue.ok()) mapping.place = map_now(table, *queue, mapping.object, mapping.part);
  return mapping.place.at != nullptr;
}

}  // namespace flexai::remote::opencl
