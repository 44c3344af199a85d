// Recorded command buffers: one item for the arbiter, whatever they hold. Which queue a buffer runs
// on when it is enqueued without one is remembered here: not every driver answers that query.
#include <unordered_map>

#include "limit/opencl/entries.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {

using base::MutexLock;

namespace {

const Table& next() { return Process::get().next(); }

class CommandBuffers {
 public:
  static CommandBuffers& get() {
    static CommandBuffers* buffers = new CommandBuffers();
    return *buffers;
  }
  void add(cl_command_buffer_khr buffer, cl_command_queue queue) {
    MutexLock lock(mutex_);
    queues_[buffer] = queue;
  }
  void remove(cl_command_buffer_khr buffer) {
    MutexLock lock(mutex_);
    queues_.erase(buffer);
  }
  cl_command_queue queue_of(cl_command_buffer_khr buffer) {
    MutexLock lock(mutex_);
    auto it = queues_.find(buffer);
    return it == queues_.end() ? nullptr : it->second;
  }

 private:
  base::Mutex mutex_;
  std::unordered_map<cl_command_buffer_khr, cl_command_queue> queues_ FLEXAI_GUARDED_BY(mutex_);
};

uint64_t cost_key(cl_command_buffer_khr buffer) {
  return CostTable::mix(reinterpret_cast<uint64_t>(buffer), 99);
}

bool last_reference(cl_command_buffer_khr buffer) {
  cl_uint references = 0;
  return buffer != nullptr && next().clGetCommandBufferInfoKHR != nullptr &&
         next().clGetCommandBufferInfoKHR(buffer, CL_COMMAND_BUFFER_REFERENCE_COUNT_KHR,
                                          sizeof references, &references, nullptr) == CL_SUCCESS &&
         references == 1;
}

}  // namespace

cl_command_buffer_khr CL_API_CALL
limit_clCreateCommandBufferKHR(cl_uint count, const cl_command_queue* queues,
                               const cl_command_buffer_properties_khr* properties, cl_int* error) {
  // A queue that is not of a granted card would carry the recorded work past the arbiter.
  for (cl_uint i = 0; queues != nullptr && i < count; ++i)
    if (queues[i] != nullptr && Queues::get().find(queues[i]) == nullptr) {
      if (error != nullptr) *error = CL_INVALID_COMMAND_QUEUE;
      return nullptr;
    }
  cl_command_buffer_khr buffer = next().clCreateCommandBufferKHR(count, queues, properties, error);
  if (buffer != nullptr && count != 0) CommandBuffers::get().add(buffer, queues[0]);
  return buffer;
}

cl_int CL_API_CALL limit_clFinalizeCommandBufferKHR(cl_command_buffer_khr buffer) {
  Process::get().costs().forget(
      cost_key(buffer));  // an address that comes again is another recording
  return next().clFinalizeCommandBufferKHR(buffer);
}

cl_int CL_API_CALL limit_clReleaseCommandBufferKHR(cl_command_buffer_khr buffer) {
  if (last_reference(buffer)) CommandBuffers::get().remove(buffer);
  return next().clReleaseCommandBufferKHR(buffer);
}

cl_int CL_API_CALL limit_clEnqueueCommandBufferKHR(cl_uint queues, cl_command_queue* replacements,
                                                   cl_command_buffer_khr buffer, cl_uint count,
                                                   const cl_event* list, cl_event* event) {
  cl_command_queue recorded = CommandBuffers::get().queue_of(buffer);
  if (recorded == nullptr) return CL_INVALID_COMMAND_BUFFER_KHR;
  cl_command_queue queue = queues != 0 && replacements != nullptr ? replacements[0] : recorded;
  if (Queues::get().find(queue) == nullptr) return CL_INVALID_COMMAND_QUEUE;
  CostTable::Entry& entry = Process::get().costs().find(cost_key(buffer));
  // PoCL 3.1 says of a whole recording that it took no time.
  entry.timed_by_host.store(true, std::memory_order_relaxed);
  return submit(queue, entry, false, count, list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCommandBufferKHR(queues, replacements, buffer, n, waits,
                                                          made);
                });
}

}  // namespace flexai::limit::opencl
