// Programs and kernels.
#include "remote/opencl/kernel_arg.h"
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

cl_int handle_clCreateProgramWithBinary(Incoming& call, cl_context context, cl_uint num_devices,
                                        const Values<cl_device_id>& device_list,
                                        const Texts& binaries, Out<cl_int>& binary_status,
                                        ObjectId result) {
  call.may_make<cl_program>(result);
  cl_int code = CL_SUCCESS;
  const cl_program made = call.table().clCreateProgramWithBinary(
      context, num_devices, device_list.data(), binaries.lengths(),
      reinterpret_cast<const unsigned char**>(binaries.strings()), binary_status.data(), &code);
  call.keep(result, made, code);
  return code;
}

namespace {

// The answer is made of pointers to where the binaries are to be: here it is the binaries.
cl_int program_binaries(Incoming& call, cl_program program) {
  const Table& table = call.table();
  size_t bytes = 0;
  cl_int code = table.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, 0, nullptr, &bytes);
  if (code != CL_SUCCESS) return code;
  std::vector<size_t> sizes(bytes / sizeof(size_t));
  code = table.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, bytes, sizes.data(), nullptr);
  if (code != CL_SUCCESS) return code;
  std::vector<std::vector<unsigned char>> binaries;
  std::vector<unsigned char*> places;
  for (size_t size : sizes) {
    binaries.emplace_back(size);
    places.push_back(size == 0 ? nullptr : binaries.back().data());
  }
  code = table.clGetProgramInfo(program, CL_PROGRAM_BINARIES,
                                places.size() * sizeof(unsigned char*), places.data(), nullptr);
  if (code != CL_SUCCESS) return code;
  wire::Writer row;
  for (const auto& binary : binaries) row.blob(std::as_bytes(std::span(binary)));
  call.results().blob(row.bytes());
  return CL_SUCCESS;
}

}  // namespace

cl_int handle_clGetProgramInfo(Incoming& call, cl_program program, cl_program_info param_name,
                               size_t param_value_size, Out<std::byte>& param_value,
                               Out<size_t>& param_value_size_ret) {
  if (param_name == CL_PROGRAM_BINARIES && param_value.wanted) {
    // Instead of what the driver would write, which is nothing that travels.
    param_value.wanted = param_value_size_ret.wanted = false;
    return program_binaries(call, program);
  }
  return call.table().clGetProgramInfo(program, param_name, param_value_size, param_value.data(),
                                       param_value_size_ret.data());
}

cl_int handle_clCreateKernelsInProgram(Incoming& call, cl_program program, cl_uint num_kernels,
                                       const Values<ObjectId>& kernels,
                                       Out<cl_uint>& num_kernels_ret) {
  std::vector<cl_kernel> made(kernels.there ? kernels.count + 1 : 0);
  const cl_int code = call.table().clCreateKernelsInProgram(
      program, num_kernels, kernels.there ? made.data() : nullptr, num_kernels_ret.data());
  if (code != CL_SUCCESS || !kernels.there) return code;
  for (size_t i = 0; i < kernels.count; ++i) {
    cl_int kept = CL_SUCCESS;
    if (made[i] != nullptr) call.keep(kernels.values[i], made[i], kept);
  }
  return code;
}

// Whether the driver has such callbacks; the program's own is called by the client.
cl_int handle_clSetProgramReleaseCallback(Incoming& call, cl_program program) {
  if (call.table().clSetProgramReleaseCallback == nullptr) return CL_INVALID_OPERATION;
  return call.table().clSetProgramReleaseCallback(
      program, [](cl_program, void*) {}, nullptr);
}

namespace {

// Whether the driver would take the argument's bytes for a handle. Unknown (a program without
// argument information): the bytes are passed on.
enum class Meaning { kValue, kMemory, kSampler, kUnknown };

Meaning meaning_of(const Table& table, cl_kernel kernel, cl_uint index) {
  cl_kernel_arg_address_qualifier where = 0;
  if (table.clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof where, &where,
                               nullptr) != CL_SUCCESS)
    return Meaning::kUnknown;
  if (where == CL_KERNEL_ARG_ADDRESS_GLOBAL || where == CL_KERNEL_ARG_ADDRESS_CONSTANT)
    return Meaning::kMemory;
  char type[64] = {};
  if (table.clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_NAME, sizeof type - 1, type,
                               nullptr) != CL_SUCCESS)
    return Meaning::kUnknown;
  return std::string_view(type) == "sampler_t" ? Meaning::kSampler : Meaning::kValue;
}

bool is_null(const Values<std::byte>& value) {
  return std::all_of(value.values.begin(), value.values.begin() + static_cast<long>(value.count),
                     [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

cl_int handle_clSetKernelArg(Incoming& call, cl_kernel kernel, cl_uint arg_index, size_t arg_size,
                             const Values<std::byte>& arg_value) {
  const cl_uint index = arg_index & ~kArgIsObject;
  if ((arg_index & kArgIsObject) == 0) {
    // Nobody's bytes may become a handle here.
    if (arg_size == sizeof(void*) && arg_value.there && !is_null(arg_value)) {
      const Meaning meaning = meaning_of(call.table(), kernel, index);
      if (meaning == Meaning::kMemory) return CL_INVALID_MEM_OBJECT;
      if (meaning == Meaning::kSampler) return CL_INVALID_SAMPLER;
    }
    const cl_int code = call.table().clSetKernelArg(kernel, index, arg_size, arg_value.data());
    if (code != CL_SUCCESS) return code;
    Argument& known = call.worker().arguments()[call.first_object()][index];
    known.kind = 0;
    known.size = arg_size;
    known.there = arg_value.there;
    known.bytes.assign(arg_value.values.begin(),
                       arg_value.values.begin() + static_cast<long>(arg_value.count));
    return code;
  }
  if (arg_value.count != sizeof(ObjectId)) return CL_INVALID_ARG_SIZE;
  ObjectId id = 0;
  std::memcpy(&id, arg_value.values.data(), sizeof id);
  for (Kind kind : {kMem, kSampler, kCommandQueue}) {
    auto found = call.worker().handles().find(id, kind);
    if (!found.ok()) continue;
    if (found->object == nullptr) return found->error;
    const cl_int code = call.table().clSetKernelArg(kernel, index, sizeof(void*), &found->object);
    if (code == CL_SUCCESS)
      call.worker().arguments()[call.first_object()][index] = {kind, id, 0, true, {}};
    return code;
  }
  return CL_INVALID_MEM_OBJECT;
}

}  // namespace flexai::remote::opencl
