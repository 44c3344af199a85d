// Markers and barriers: free, but they stand in the order of the others.
#include "limit/opencl/entries.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

}  // namespace

cl_int CL_API_CALL limit_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint count,
                                                     const cl_event* list, cl_event* event) {
  return submit_unmetered(queue, false, count == 0, false, count, list, event,
                          [=](cl_uint n, const cl_event* waits, cl_event* made) {
                            return next().clEnqueueMarkerWithWaitList(queue, n, waits, made);
                          });
}

cl_int CL_API_CALL limit_clEnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint count,
                                                      const cl_event* list, cl_event* event) {
  return submit_unmetered(queue, false, count == 0, true, count, list, event,
                          [=](cl_uint n, const cl_event* waits, cl_event* made) {
                            return next().clEnqueueBarrierWithWaitList(queue, n, waits, made);
                          });
}

// The forms of OpenCL 1.0; their wait lists are those of the 1.2 forms.
cl_int CL_API_CALL limit_clEnqueueMarker(cl_command_queue queue, cl_event* event) {
  if (event == nullptr) return CL_INVALID_VALUE;
  return submit_unmetered(queue, false, true, false, 0, nullptr, event,
                          [=](cl_uint, const cl_event*, cl_event* made) {
                            return next().clEnqueueMarker(queue, made);
                          });
}

cl_int CL_API_CALL limit_clEnqueueWaitForEvents(cl_command_queue queue, cl_uint count,
                                                const cl_event* list) {
  if (count == 0 || list == nullptr) return next().clEnqueueWaitForEvents(queue, count, list);
  return submit_unmetered(queue, false, false, true, count, list, nullptr,
                          [=](cl_uint n, const cl_event* waits, cl_event* made) {
                            return next().clEnqueueBarrierWithWaitList(queue, n, waits, made);
                          });
}

cl_int CL_API_CALL limit_clEnqueueBarrier(cl_command_queue queue) {
  return submit_unmetered(queue, false, true, true, 0, nullptr, nullptr,
                          [=](cl_uint n, const cl_event* waits, cl_event* made) {
                            return next().clEnqueueBarrierWithWaitList(queue, n, waits, made);
                          });
}

}  // namespace flexai::limit::opencl
