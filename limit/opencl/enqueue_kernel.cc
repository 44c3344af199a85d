// Kernels and native kernels.
#include "limit/opencl/entries.h"
#include "limit/opencl/kernel_args.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

CostTable::Entry& kernel_cost(cl_kernel kernel, cl_uint dimensions, const size_t* global,
                              const size_t* local) {
  uint64_t key = CostTable::mix(address(kernel), dimensions);
  // More than three are an error, and the arrays need not be as long.
  for (cl_uint i = 0; dimensions <= 3 && i < dimensions; ++i) {
    if (global != nullptr) key = CostTable::mix(key, global[i]);
    if (local != nullptr) key = CostTable::mix(key, local[i]);
  }
  return Process::get().costs().find(key, KernelArgs::get().digest(kernel));
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

}  // namespace flexai::limit::opencl
