// Programs and kernels: compile and link, binaries, argument information, clones, what is refused.
#include <cstring>

#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {
namespace {

void CL_CALLBACK on_built(cl_program, void* user) { ++*static_cast<int*>(user); }

void compile_and_link(Session& s) {
  cl_int error = CL_SUCCESS;
  const char* header_text = "#define FACTOR 5u\n";
  const char* text =
      "#include \"factor.h\"\n__kernel void mul(__global uint* d) { d[get_global_id(0)] *= FACTOR; "
      "}\n";
  cl_program header = clCreateProgramWithSource(s.context, 1, &header_text, nullptr, &error);
  cl_program part = clCreateProgramWithSource(s.context, 1, &text, nullptr, &error);
  const char* name = "factor.h";
  say("compile %s",
      error_name(clCompileProgram(part, 1, &s.device, "", 1, &header, &name, nullptr, nullptr))
          .c_str());
  cl_program linked =
      clLinkProgram(s.context, 1, &s.device, "", 1, &part, nullptr, nullptr, &error);
  say("link %s", error_name(error).c_str());
  if (linked != nullptr) {
    cl_kernel kernel = clCreateKernel(linked, "mul", &error);
    say("kernel %s", error_name(error).c_str());
    const auto data = pattern(64, 11);
    cl_mem buffer = s.buffer(256, data.data());
    const size_t size = 64;
    if (kernel != nullptr) {
      clSetKernelArg(kernel, 0, sizeof(buffer), &buffer);
      clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, nullptr, 0, nullptr, nullptr);
      say("content %s", fingerprint(s.words(s.queue, buffer, 64)).c_str());
      clReleaseKernel(kernel);
    }
    clReleaseMemObject(buffer);
    clReleaseProgram(linked);
  }
  clReleaseProgram(part);
  clReleaseProgram(header);
}

void binaries(Session& s) {
  cl_program program = s.build(kAdvanceSource);
  if (program == nullptr) return;
  size_t size = 0;
  clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, nullptr);
  std::vector<unsigned char> binary(size);
  unsigned char* data = binary.data();
  say("binary %s",
      error_name(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(data), &data, nullptr))
          .c_str());
  cl_int status = -999, error = CL_SUCCESS;
  const unsigned char* read_only = data;
  cl_program again =
      clCreateProgramWithBinary(s.context, 1, &s.device, &size, &read_only, &status, &error);
  say("again %s %s", error_name(error).c_str(), error_name(status).c_str());
  if (again != nullptr) {
    int calls = 0;
    say("build %s", error_name(clBuildProgram(again, 1, &s.device, "", on_built, &calls)).c_str());
    cl_uint kernels = 0;
    cl_kernel kernel = nullptr;
    say("kernels %s", error_name(clCreateKernelsInProgram(again, 1, &kernel, &kernels)).c_str());
    say("count %u", kernels);
    if (kernel != nullptr) clReleaseKernel(kernel);
    clReleaseProgram(again);
  }
  clReleaseProgram(program);
}

void about_kernels(Session& s) {
  const char* source =
      "__kernel __attribute__((reqd_work_group_size(8, 1, 1)))\n"
      "void three(__global uint* out, uint add, __local uint* scratch) {\n"
      "  scratch[get_local_id(0)] = add; barrier(CLK_LOCAL_MEM_FENCE);\n"
      "  out[get_global_id(0)] = scratch[7 - get_local_id(0)] + (uint)get_group_id(0);\n}\n";
  cl_kernel kernel = s.kernel(source, "three");
  if (kernel == nullptr) return;
  cl_uint args = 0;
  size_t required[3] = {};
  char name[32] = {};
  clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof(args), &args, nullptr);
  clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof(name), name, nullptr);
  clGetKernelWorkGroupInfo(kernel, s.device, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof(required),
                           required, nullptr);
  say("%s has %u arguments, groups of %zu", name, args, required[0]);
  cl_mem out = s.buffer(256);
  const cl_uint add = 40;
  say("args %s %s %s", error_name(clSetKernelArg(kernel, 0, sizeof(out), &out)).c_str(),
      error_name(clSetKernelArg(kernel, 1, sizeof(add), &add)).c_str(),
      error_name(clSetKernelArg(kernel, 2, 8 * sizeof(cl_uint), nullptr)).c_str());
  const size_t size = 64, group = 8, wrong = 4;
  say("wrong group %s", error_name(clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size,
                                                          &wrong, 0, nullptr, nullptr))
                            .c_str());
  clEnqueueNDRangeKernel(s.queue, kernel, 1, nullptr, &size, &group, 0, nullptr, nullptr);
  say("content %s", fingerprint(s.words(s.queue, out, 64)).c_str());
  cl_int error = CL_SUCCESS;
  cl_kernel clone = clCloneKernel(kernel, &error);
  say("clone %s", error_name(error).c_str());
  if (clone != nullptr) {
    const cl_uint more = 41;
    clSetKernelArg(clone, 1, sizeof(more), &more);
    clEnqueueNDRangeKernel(s.queue, clone, 1, nullptr, &size, &group, 0, nullptr, nullptr);
    say("clone gives %s", fingerprint(s.words(s.queue, out, 64)).c_str());
    clReleaseKernel(clone);
  }
  clReleaseMemObject(out);
  clReleaseKernel(kernel);
}

}  // namespace

// A topic of its own: some drivers end the process here.
void run_refused_programs(Session& s) {
  cl_int error = CL_SUCCESS;
  const char junk[] = "not a program";
  cl_program program = clCreateProgramWithIL(s.context, junk, sizeof(junk), &error);
  say("il %s", program == nullptr ? "refused" : "taken");
  if (program != nullptr) clReleaseProgram(program);
  program = clCreateProgramWithBuiltInKernels(s.context, 1, &s.device, "no_such_kernel", &error);
  say("built-in %s", program == nullptr ? "refused" : "taken");
  const char* wrong = "__kernel void broken( {\n";
  program = clCreateProgramWithSource(s.context, 1, &wrong, nullptr, &error);
  say("broken %s", error_name(clBuildProgram(program, 1, &s.device, "", nullptr, nullptr)).c_str());
  cl_build_status status = 0;
  size_t log = 0;
  clGetProgramBuildInfo(program, s.device, CL_PROGRAM_BUILD_STATUS, sizeof(status), &status,
                        nullptr);
  clGetProgramBuildInfo(program, s.device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &log);
  say("status %d log %s", status, log > 1 ? "there" : "empty");
  clReleaseProgram(program);
  cl_mem pipe = clCreatePipe(s.context, CL_MEM_READ_WRITE, 4, 16, nullptr, &error);
  say("pipe %s", pipe == nullptr ? "refused" : "made");
  if (pipe != nullptr) clReleaseMemObject(pipe);
  say("unload %s", error_name(clUnloadPlatformCompiler(s.platform)).c_str());
}

void run_programs(Session& session) {
  compile_and_link(session);
  binaries(session);
  about_kernels(session);
}

}  // namespace flexai::test
