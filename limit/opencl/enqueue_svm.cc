// Shared virtual memory: copies, maps, and releases that happen in queue order.
#include "limit/opencl/entries.h"
#include "limit/opencl/memory.h"
#include "limit/opencl/submit.h"

namespace flexai::limit::opencl {
namespace {

const Table& next() { return Process::get().next(); }

}  // namespace

cl_int CL_API_CALL limit_clEnqueueSVMMemcpy(cl_command_queue command_queue, cl_bool blocking_copy,
                                            void* dst_ptr, const void* src_ptr, size_t size,
                                            cl_uint num_events_in_wait_list,
                                            const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueSVMMemcpy, size),
                blocking_copy == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueSVMMemcpy(command_queue, blocking_copy, dst_ptr, src_ptr,
                                                   size, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueSVMMemFill(cl_command_queue command_queue, void* svm_ptr,
                                             const void* pattern, size_t pattern_size, size_t size,
                                             cl_uint num_events_in_wait_list,
                                             const cl_event* event_wait_list, cl_event* event) {
  return submit(command_queue, copy_cost(EntryId::clEnqueueSVMMemFill, size), false,
                num_events_in_wait_list, event_wait_list, event,
                [=](cl_uint n, const cl_event* waits, cl_event* made) {
                  return next().clEnqueueSVMMemFill(command_queue, svm_ptr, pattern, pattern_size,
                                                    size, n, waits, made);
                });
}

cl_int CL_API_CALL limit_clEnqueueSVMMap(cl_command_queue command_queue, cl_bool blocking_map,
                                         cl_map_flags flags, void* svm_ptr, size_t size,
                                         cl_uint num_events_in_wait_list,
                                         const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueSVMMap, size),
                         blocking_map == CL_TRUE, num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueSVMMap(command_queue, blocking_map, flags,
                                                         svm_ptr, size, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueSVMUnmap(cl_command_queue command_queue, void* svm_ptr,
                                           cl_uint num_events_in_wait_list,
                                           const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(command_queue, copy_cost(EntryId::clEnqueueSVMUnmap, 0), false,
                         num_events_in_wait_list, event_wait_list, event,
                         [=](cl_uint n, const cl_event* waits, cl_event* made) {
                           return next().clEnqueueSVMUnmap(command_queue, svm_ptr, n, waits, made);
                         });
}

cl_int CL_API_CALL limit_clEnqueueSVMMigrateMem(cl_command_queue command_queue,
                                                cl_uint num_svm_pointers, const void** svm_pointers,
                                                const size_t* sizes, cl_mem_migration_flags flags,
                                                cl_uint num_events_in_wait_list,
                                                const cl_event* event_wait_list, cl_event* event) {
  return submit_transfer(
      command_queue, copy_cost(EntryId::clEnqueueSVMMigrateMem, num_svm_pointers), false,
      num_events_in_wait_list, event_wait_list, event,
      [=](cl_uint n, const cl_event* waits, cl_event* made) {
        return next().clEnqueueSVMMigrateMem(command_queue, num_svm_pointers, svm_pointers, sizes,
                                             flags, n, waits, made);
      });
}

// The bytes are given back when the command has run, which its event tells; so one is always asked
// for.
cl_int CL_API_CALL limit_clEnqueueSVMFree(cl_command_queue command_queue, cl_uint num_svm_pointers,
                                          void** svm_pointers, SvmFreeNotify pfn_free_func,
                                          void* user_data, cl_uint num_events_in_wait_list,
                                          const cl_event* event_wait_list, cl_event* event) {
  cl_event made = nullptr;
  std::vector<void*> pointers;
  if (svm_pointers != nullptr) pointers.assign(svm_pointers, svm_pointers + num_svm_pointers);
  cl_int rc = submit_unmetered(
      command_queue, false, false, false, num_events_in_wait_list, event_wait_list, &made,
      [=](cl_uint n, const cl_event* waits, cl_event* out) {
        return next().clEnqueueSVMFree(command_queue, num_svm_pointers, svm_pointers, pfn_free_func,
                                       user_data, n, waits, out);
      });
  if (rc != CL_SUCCESS) return rc;
  free_svm_when_done(made, std::move(pointers));
  if (event != nullptr) {
    *event = made;
  } else if (made != nullptr) {
    next().clReleaseEvent(made);
  }
  return rc;
}

}  // namespace flexai::limit::opencl
