// Entries that next to no program calls: retains, queries and settings of the later versions.
#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

void CL_CALLBACK on_release(cl_program, void*) {}

void contexts(Session& s) {
  cl_uint devices = 0;
  clRetainContext(s.context);
  clReleaseContext(s.context);
  say("context %s", error_name(clGetContextInfo(s.context, CL_CONTEXT_NUM_DEVICES, sizeof(devices),
                                                &devices, nullptr))
                        .c_str());
  cl_device_id device = nullptr;
  clGetContextInfo(s.context, CL_CONTEXT_DEVICES, sizeof(device), &device, nullptr);
  say("of %u devices, ours %s", devices, device == s.device ? "yes" : "no");
}

void kernels(Session& s) {
  cl_int error = CL_SUCCESS;
  cl_program program = clCreateProgramWithSource(
      s.context, 1, const_cast<const char**>(&kAdvanceSource), nullptr, &error);
  clBuildProgram(program, 1, &s.device, "-cl-kernel-arg-info", nullptr, nullptr);
  clRetainProgram(program);
  clReleaseProgram(program);
  cl_kernel kernel = clCreateKernel(program, "advance", &error);
  char name[32] = {};
  say("argument %s %s",
      error_name(clGetKernelArgInfo(kernel, 0, CL_KERNEL_ARG_NAME, sizeof(name), name, nullptr))
          .c_str(),
      name);
  const size_t size[] = {64};
  size_t groups = 0;
  say("sub-groups %s",
      clGetKernelSubGroupInfo(kernel, s.device, CL_KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE,
                              sizeof(size), size, sizeof(groups), &groups, nullptr) == CL_SUCCESS
          ? "told"
          : "refused");
  clReleaseKernel(kernel);
  clReleaseProgram(program);
}

}  // namespace

void run_seldom(Session& session) {
  contexts(session);
  kernels(session);
  say("unload %s", error_name(clUnloadCompiler()).c_str());
  say("no such function %s",
      clGetExtensionFunctionAddress("clNoSuchFunctionKHR") == nullptr ? "null" : "found");
  cl_mem buffer = session.buffer(64);
  cl_uint packet = 0;
  say("pipe info of a buffer %s",
      error_name(clGetPipeInfo(buffer, CL_PIPE_PACKET_SIZE, sizeof(packet), &packet, nullptr))
          .c_str());
  clReleaseMemObject(buffer);
}

// Topics of their own: some drivers end the process here.
void run_queue_property(Session& s) {
  cl_command_queue_properties before = 0;
  const cl_int set =
      clSetCommandQueueProperty(s.queue, CL_QUEUE_PROFILING_ENABLE, CL_TRUE, &before);
  say("set property %s", set == CL_SUCCESS ? "done" : "refused");
  if (set == CL_SUCCESS)
    clSetCommandQueueProperty(s.queue, CL_QUEUE_PROFILING_ENABLE, CL_FALSE, nullptr);
}

void run_default_queue(Session& s) {
  say("default queue %s", clSetDefaultDeviceCommandQueue(s.context, s.device, s.queue) == CL_SUCCESS
                              ? "set"
                              : "refused");
}

void run_program_settings(Session& s) {
  cl_program program = s.build(kAdvanceSource);
  if (program == nullptr) return;
  const cl_uint value = 1;
  say("constant %s",
      clSetProgramSpecializationConstant(program, 0, sizeof(value), &value) == CL_SUCCESS
          ? "set"
          : "refused");
  say("release callback %s",
      clSetProgramReleaseCallback(program, on_release, nullptr) == CL_SUCCESS ? "set" : "refused");
  clReleaseProgram(program);
}

}  // namespace flexai::test
