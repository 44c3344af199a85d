// Kernels, native kernels and recorded command buffers: each one item for the arbiter.
#include "limit/opencl/entries.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

CostTable::Entry& kernel_cost(cl_kernel kernel, cl_uint dimensions, const size_t* global,
                              const size_t* local) {
  uint64_t key = CostTable::mix(address(kernel), dimensions);
  for (cl_uint i = 0; i < dimensions && i < 3; ++i) {
    if (global != nullptr) key = CostTable::mix(key, global[i]);
    if (local != nullptr) key = CostTable::mix(key, local[i]);
  }
  return Process::get().costs().find(key);
}

}  // namespace

cl_int CL_API_CALL limit_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                cl_uint dimensions, const size_t* offset,
                                                const size_t* global, const size_t* local,
                                                cl_uint count, const cl_event* list,
                                                cl_event* event) {
  return submit(queue, kernel_cost(kernel, dimensions, global, local), false, count, list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global,
                                                       local, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint count,
                                       const cl_event* list, cl_event* event) {
  return submit(queue, kernel_cost(kernel, 0, nullptr, nullptr), false, count, list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueTask(queue, kernel, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueNativeKernel(cl_command_queue queue, NativeKernel function,
                                               void* args, size_t size, cl_uint objects,
                                               const cl_mem* mems, const void** places,
                                               cl_uint count, const cl_event* list,
                                               cl_event* event) {
  CostTable::Entry& entry =
      Process::get().costs().find(CostTable::mix(reinterpret_cast<uint64_t>(function), 77));
  return submit(queue, entry, false, count, list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueNativeKernel(queue, function, args, size, objects, mems,
                                                      places, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clReleaseKernel(cl_kernel kernel) {
  return next().clReleaseKernel(kernel);
}

cl_command_buffer_khr CL_API_CALL
limit_clCreateCommandBufferKHR(cl_uint count, const cl_command_queue* queues,
                               const cl_command_buffer_properties_khr* properties, cl_int* error) {
  // A queue that is not of a granted card would carry the recorded work past the arbiter.
  for (cl_uint i = 0; queues != nullptr && i < count; ++i)
    if (queues[i] != nullptr && Queues::get().find(queues[i]) == nullptr) {
      if (error != nullptr) *error = CL_INVALID_COMMAND_QUEUE;
      return nullptr;
    }
  return next().clCreateCommandBufferKHR(count, queues, properties, error);
}

cl_int CL_API_CALL limit_clFinalizeCommandBufferKHR(cl_command_buffer_khr buffer) {
  Process::get().costs().forget(
      CostTable::mix(address(buffer), 99));  // an address that comes again is a new program
  return next().clFinalizeCommandBufferKHR(buffer);
}

cl_int CL_API_CALL limit_clReleaseCommandBufferKHR(cl_command_buffer_khr buffer) {
  return next().clReleaseCommandBufferKHR(buffer);
}

cl_int CL_API_CALL limit_clEnqueueCommandBufferKHR(cl_uint queues, cl_command_queue* list_of_queues,
                                                   cl_command_buffer_khr buffer, cl_uint count,
                                                   const cl_event* list, cl_event* event) {
  cl_command_queue queue = nullptr;
  if (queues != 0 && list_of_queues != nullptr) {
    queue = list_of_queues[0];
  } else {
    // Without queues it runs on those it was recorded with.
    cl_command_queue recorded[8] = {};
    size_t size = 0;
    if (next().clGetCommandBufferInfoKHR != nullptr &&
        next().clGetCommandBufferInfoKHR(buffer, CL_COMMAND_BUFFER_QUEUES_KHR, sizeof recorded,
                                         recorded, &size) == CL_SUCCESS &&
        size >= sizeof queue)
      queue = recorded[0];
  }
  if (Queues::get().find(queue) == nullptr) return CL_INVALID_COMMAND_QUEUE;
  CostTable::Entry& entry = Process::get().costs().find(CostTable::mix(address(buffer), 99));
  return submit(queue, entry, false, count, list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueCommandBufferKHR(queues, list_of_queues, buffer, n, waits,
                                                          made);
                });
}

}  // namespace flexai::limit::opencl
