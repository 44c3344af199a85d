// Launches: a shape that the driver accepted for a kernel is told from then on.
#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/plain.h"

namespace flexai::remote::opencl {
namespace {

struct Shape {
  cl_uint dimensions;
  const size_t* offset;
  const size_t* global;
  const size_t* local;
};

// What of a shape decides whether it is accepted: the sizes of the groups, not how many there are,
// as long as they fit. 0: it is to be asked.
uint64_t key_of(const Queue& queue, const Shape& shape) {
  if (shape.dimensions == 0 || shape.dimensions > 3 || shape.global == nullptr) return 0;
  uint64_t key = shape.dimensions | (shape.local != nullptr ? 4 : 0);
  key = key * 1000003 + queue.device()->id;
  for (cl_uint i = 0; i < shape.dimensions; ++i) {
    const size_t global = shape.global[i];
    const size_t local = shape.local == nullptr ? 1 : shape.local[i];
    if (global == 0 || global > UINT32_MAX || local == 0 || global % local != 0) return 0;
    if (shape.offset != nullptr && shape.offset[i] > UINT32_MAX) return 0;
    if (local > 65535) return 0;
    key = key * 1000003 + local;
  }
  return key == 0 ? 1 : key;
}

bool was_accepted(Kernel& kernel, uint64_t key) {
  if (key == 0 || kernel.facts == nullptr) return false;
  const uint64_t set = kernel.set.load(std::memory_order_relaxed);
  base::MutexLock lock(kernel.facts->mutex);
  return (kernel.facts->needed & ~set) == 0 && kernel.facts->launches.count(key) != 0;
}

void remember(Kernel& kernel, uint64_t key) {
  if (key == 0 || kernel.facts == nullptr) return;
  base::MutexLock lock(kernel.facts->mutex);
  kernel.facts->launches[key] = true;
  // Accepted, so all that are needed are among those that were set; once this small, for ever.
  const uint64_t set = kernel.set.load(std::memory_order_relaxed);
  kernel.facts->needed = kernel.facts->needed == 0 ? set : kernel.facts->needed & set;
}

}  // namespace

cl_int CL_API_CALL client_clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel,
                                                 cl_uint work_dim, const size_t* global_work_offset,
                                                 const size_t* global_work_size,
                                                 const size_t* local_work_size,
                                                 cl_uint num_events_in_wait_list,
                                                 const cl_event* event_wait_list, cl_event* event) {
  const Queue* queue = get(command_queue);
  Kernel* known = get(kernel);
  const bool sound = queue != nullptr && known != nullptr &&
                     known->program()->context() == queue->context() &&
                     plain_waits(command_queue, num_events_in_wait_list, event_wait_list);
  const uint64_t key =
      sound ? key_of(*queue, {work_dim, global_work_offset, global_work_size, local_work_size}) : 0;
  const bool accepted = sound && was_accepted(*known, key);
  Birth birth(command_queue, CL_COMMAND_NDRANGE_KERNEL, event);
  if (!birth.ok()) return birth.done(CL_SUCCESS);
  const cl_int code = wire_clEnqueueNDRangeKernel(
      accepted ? Mode::kTell : Mode::kAsk, command_queue, kernel, work_dim, global_work_offset,
      global_work_size, local_work_size, num_events_in_wait_list, event_wait_list, birth.id());
  if (code == CL_SUCCESS && !accepted && sound) remember(*known, key);
  return birth.done(code);
}

}  // namespace flexai::remote::opencl
