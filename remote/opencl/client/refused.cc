// What no program at the other end of a wire can have: shared virtual memory, which the devices do
// not offer here, and kernels that are functions of the program.
#include "remote/opencl/calls.h"

namespace flexai::remote::opencl {

void* CL_API_CALL client_clSVMAlloc(cl_context, cl_svm_mem_flags, size_t, cl_uint) {
  return nullptr;
}

void CL_API_CALL client_clSVMFree(cl_context, void*) {}

cl_int CL_API_CALL client_clEnqueueSVMFree(cl_command_queue, cl_uint, void**, SvmFreeNotify, void*,
                                           cl_uint, const cl_event*, cl_event*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clEnqueueSVMMemcpy(cl_command_queue, cl_bool, void*, const void*, size_t,
                                             cl_uint, const cl_event*, cl_event*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clEnqueueSVMMemFill(cl_command_queue, void*, const void*, size_t, size_t,
                                              cl_uint, const cl_event*, cl_event*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clEnqueueSVMMap(cl_command_queue, cl_bool, cl_map_flags, void*, size_t,
                                          cl_uint, const cl_event*, cl_event*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clEnqueueSVMUnmap(cl_command_queue, void*, cl_uint, const cl_event*,
                                            cl_event*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clEnqueueSVMMigrateMem(cl_command_queue, cl_uint, const void**,
                                                 const size_t*, cl_mem_migration_flags, cl_uint,
                                                 const cl_event*, cl_event*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clSetKernelArgSVMPointer(cl_kernel, cl_uint, const void*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clSetKernelExecInfo(cl_kernel, cl_kernel_exec_info, size_t, const void*) {
  return CL_INVALID_OPERATION;
}

cl_int CL_API_CALL client_clEnqueueNativeKernel(cl_command_queue, NativeKernel, void*, size_t,
                                                cl_uint, const cl_mem*, const void**, cl_uint,
                                                const cl_event*, cl_event*) {
  return CL_INVALID_OPERATION;
}

}  // namespace flexai::remote::opencl
