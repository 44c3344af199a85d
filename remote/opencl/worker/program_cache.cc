#include "remote/opencl/worker/program_cache.h"

#include <algorithm>

#include "remote/opencl/worker/program_twins.h"

namespace flexai::remote::opencl {

using base::Nanos;
using driver::opencl::ProgramNotify;
using driver::opencl::Table;

namespace {

std::unique_ptr<ProgramTwins> g_cache;

cl_program CL_API_CALL cached_clCreateProgramWithSource(cl_context context, cl_uint count,
                                                        const char** strings, const size_t* lengths,
                                                        cl_int* code) {
  const cl_program made =
      g_cache->driver.clCreateProgramWithSource(context, count, strings, lengths, code);
  if (made != nullptr) g_cache->made(made, context, count, strings, lengths);
  return made;
}

cl_int CL_API_CALL cached_clRetainProgram(cl_program program) {
  const cl_int code = g_cache->driver.clRetainProgram(program);
  if (code == CL_SUCCESS) g_cache->retained(program);
  return code;
}

cl_int CL_API_CALL cached_clReleaseProgram(cl_program program) { return g_cache->release(program); }

cl_int CL_API_CALL cached_clBuildProgram(cl_program program, cl_uint count,
                                         const cl_device_id* devices, const char* options,
                                         ProgramNotify notify, void* data) {
  if (notify == nullptr && data == nullptr) return g_cache->build(program, count, devices, options);
  if (!g_cache->leave_twin(program)) return CL_INVALID_OPERATION;
  return g_cache->driver.clBuildProgram(program, count, devices, options, notify, data);
}

cl_int CL_API_CALL cached_clCompileProgram(cl_program program, cl_uint count,
                                           const cl_device_id* devices, const char* options,
                                           cl_uint headers, const cl_program* header_list,
                                           const char** names, ProgramNotify notify, void* data) {
  if (!g_cache->leave_twin(program)) return CL_INVALID_OPERATION;
  return g_cache->driver.clCompileProgram(program, count, devices, options, headers, header_list,
                                          names, notify, data);
}

cl_program CL_API_CALL cached_clLinkProgram(cl_context context, cl_uint count,
                                            const cl_device_id* devices, const char* options,
                                            cl_uint inputs, const cl_program* input_list,
                                            ProgramNotify notify, void* data, cl_int* code) {
  std::vector<cl_program> real(inputs + size_t{1});
  for (cl_uint i = 0; input_list != nullptr && i < inputs; ++i)
    real[i] = g_cache->real(input_list[i]);
  return g_cache->driver.clLinkProgram(context, count, devices, options, inputs,
                                       input_list == nullptr ? nullptr : real.data(), notify, data,
                                       code);
}

cl_kernel CL_API_CALL cached_clCreateKernel(cl_program program, const char* name, cl_int* code) {
  return g_cache->driver.clCreateKernel(g_cache->real(program), name, code);
}

cl_int CL_API_CALL cached_clCreateKernelsInProgram(cl_program program, cl_uint count,
                                                   cl_kernel* kernels, cl_uint* made) {
  return g_cache->driver.clCreateKernelsInProgram(g_cache->real(program), count, kernels, made);
}

cl_int CL_API_CALL cached_clGetProgramInfo(cl_program program, cl_program_info what, size_t size,
                                           void* value, size_t* size_ret) {
  const Table& driver = g_cache->driver;
  const cl_program real = g_cache->real(program);
  if (what == CL_PROGRAM_SOURCE || what == CL_PROGRAM_IL)
    return driver.clGetProgramInfo(program, what, size, value, size_ret);
  if (what != CL_PROGRAM_REFERENCE_COUNT)
    return driver.clGetProgramInfo(real, what, size, value, size_ret);
  const cl_int code = driver.clGetProgramInfo(program, what, size, value, size_ret);
  cl_uint kernels = 0;  // hold the twin; one reference of it is ours
  if (code != CL_SUCCESS || value == nullptr || real == program ||
      driver.clGetProgramInfo(real, what, sizeof kernels, &kernels, nullptr) != CL_SUCCESS)
    return code;
  *static_cast<cl_uint*>(value) += kernels - 1;
  return code;
}

// Only programs that were built are asked: some drivers abort on others.
cl_int CL_API_CALL cached_clSetProgramSpecializationConstant(cl_program program, cl_uint id,
                                                             size_t size, const void* value) {
  return g_cache->driver.clSetProgramSpecializationConstant(g_cache->real(program), id, size,
                                                            value);
}

cl_int give(const std::string& text, size_t size, void* value, size_t* size_ret) {
  const size_t needed = text.size() + 1;
  if (value != nullptr && size < needed) return CL_INVALID_VALUE;
  if (value != nullptr) std::copy_n(text.c_str(), needed, static_cast<char*>(value));
  if (size_ret != nullptr) *size_ret = needed;
  return CL_SUCCESS;
}

cl_int CL_API_CALL cached_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                                                cl_program_build_info what, size_t size,
                                                void* value, size_t* size_ret) {
  const auto log = what == CL_PROGRAM_BUILD_LOG ? g_cache->log_of(program, device) : std::nullopt;
  if (!log)
    return g_cache->driver.clGetProgramBuildInfo(g_cache->real(program), device, what, size, value,
                                                 size_ret);
  return give(*log, size, value, size_ret);
}

cl_int CL_API_CALL cached_clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t size,
                                          void* value, size_t* size_ret) {
  if (what == CL_KERNEL_ATTRIBUTES)
    if (const auto text = g_cache->attributes_of(kernel)) return give(*text, size, value, size_ret);
  const cl_int code = g_cache->driver.clGetKernelInfo(kernel, what, size, value, size_ret);
  if (code == CL_SUCCESS && what == CL_KERNEL_PROGRAM && value != nullptr)
    *static_cast<cl_program*>(value) = g_cache->shown(*static_cast<cl_program*>(value));
  return code;
}

}  // namespace

Table with_program_cache(const Table& driver, std::shared_ptr<ContentStore> store,
                         ProgramCacheTimes times) {
  g_cache = std::make_unique<ProgramTwins>(driver, std::move(store), times);
  Table table = driver;
  table.clCreateProgramWithSource = cached_clCreateProgramWithSource;
  table.clRetainProgram = cached_clRetainProgram;
  table.clReleaseProgram = cached_clReleaseProgram;
  table.clBuildProgram = cached_clBuildProgram;
  if (driver.clCompileProgram != nullptr) table.clCompileProgram = cached_clCompileProgram;
  if (driver.clLinkProgram != nullptr) table.clLinkProgram = cached_clLinkProgram;
  if (driver.clSetProgramSpecializationConstant != nullptr)
    table.clSetProgramSpecializationConstant = cached_clSetProgramSpecializationConstant;
  table.clCreateKernel = cached_clCreateKernel;
  table.clCreateKernelsInProgram = cached_clCreateKernelsInProgram;
  table.clGetProgramInfo = cached_clGetProgramInfo;
  table.clGetProgramBuildInfo = cached_clGetProgramBuildInfo;
  table.clGetKernelInfo = cached_clGetKernelInfo;
  return table;
}

void finish_program_cache(Nanos deadline) {
  if (g_cache != nullptr) g_cache->finish(deadline);
}

ProgramCacheCounts program_cache_counts() {
  return g_cache == nullptr ? ProgramCacheCounts{} : g_cache->counts();
}

}  // namespace flexai::remote::opencl
