// Kernels and their arguments. What the driver accepted once for a kernel of a program it accepts
// again: then neither making a kernel nor setting an argument is asked.
#include <cstring>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/kernel_arg.h"

namespace flexai::remote::opencl {
namespace {

// The names of a built program, asked once a build.
void learn_names(Program* program) {
  {
    base::MutexLock lock(program->mutex);
    if (program->names_known) return;
  }
  const auto handle = handle_of<cl_program>(program);
  size_t size = 0;
  std::vector<char> names;
  if (wire_clGetProgramInfo(Mode::kAsk, handle, CL_PROGRAM_KERNEL_NAMES, 0, nullptr, &size) !=
      CL_SUCCESS)
    return;
  names.resize(size + 1);
  if (wire_clGetProgramInfo(Mode::kAsk, handle, CL_PROGRAM_KERNEL_NAMES, size, names.data(),
                            nullptr) != CL_SUCCESS)
    return;
  const std::string_view all(names.data());
  base::MutexLock lock(program->mutex);
  program->names_known = true;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find(';', at), all.size());
    auto& facts = program->kernels[std::string(all.substr(at, end - at))];
    if (facts == nullptr) facts = std::make_shared<KernelFacts>();
    at = end + 1;
  }
}

std::shared_ptr<KernelFacts> facts_of(Program* program, const char* name) {
  if (program == nullptr || name == nullptr) return nullptr;
  learn_names(program);
  base::MutexLock lock(program->mutex);
  auto found = program->kernels.find(name);
  return found == program->kernels.end() ? nullptr : found->second;
}

}  // namespace

cl_kernel CL_API_CALL client_clCreateKernel(cl_program program, const char* kernel_name,
                                            cl_int* errcode_ret) {
  auto* kernel = new Kernel(take_id(get(program)), get(program));
  kernel->facts = facts_of(get(program), kernel_name);
  const Mode mode = kernel->facts == nullptr ? Mode::kAsk : Mode::kTell;
  const cl_int code = wire_clCreateKernel(mode, program, kernel_name, kernel->id);
  return born<cl_kernel>(kernel, code, errcode_ret);
}

cl_int CL_API_CALL client_clCreateKernelsInProgram(cl_program program, cl_uint num_kernels,
                                                   cl_kernel* kernels, cl_uint* num_kernels_ret) {
  Program* of = get(program);
  if (of == nullptr) return CL_INVALID_PROGRAM;
  std::vector<ObjectId> ids;
  ids.reserve(1);  // there, also when empty
  const cl_uint most = std::min(num_kernels, 65536u);
  for (cl_uint i = 0; kernels != nullptr && i < most; ++i) ids.push_back(take_id(of));
  cl_uint made = 0;
  const cl_int code = wire_clCreateKernelsInProgram(
      Mode::kAsk, program, most, kernels == nullptr ? nullptr : ids.data(), &made);
  for (cl_uint i = 0; i < ids.size(); ++i) {
    if (code != CL_SUCCESS || i >= made) {
      give_back_id(of, ids[i]);
    } else {
      auto* kernel = new Kernel(ids[i], of);
      kernels[i] = handle_of<cl_kernel>(kernel);
      char name[256] = {};
      wire_clGetKernelInfo(Mode::kAsk, kernels[i], CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name,
                           nullptr);
      kernel->facts = facts_of(of, name);
    }
  }
  if (code == CL_SUCCESS && num_kernels_ret != nullptr) *num_kernels_ret = made;
  return code;
}

cl_kernel CL_API_CALL client_clCloneKernel(cl_kernel source_kernel, cl_int* errcode_ret) {
  Kernel* source = get(source_kernel);
  auto* kernel = new Kernel(take_id(source), source == nullptr ? nullptr : source->program());
  if (source != nullptr) {
    kernel->facts = source->facts;
    kernel->set = source->set.load();
  }
  const cl_int code = wire_clCloneKernel(Mode::kAsk, source_kernel, kernel->id);
  return born<cl_kernel>(kernel, code, errcode_ret);
}

cl_int CL_API_CALL client_clGetKernelInfo(cl_kernel kernel, cl_kernel_info param_name,
                                          size_t param_value_size, void* param_value,
                                          size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const Kernel* known = get(kernel);
  if (known == nullptr) return CL_INVALID_KERNEL;
  if (param_name == CL_KERNEL_PROGRAM) return place.give(handle_of<cl_program>(known->program()));
  if (param_name == CL_KERNEL_CONTEXT)
    return place.give(handle_of<cl_context>(known->program()->context()));
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetKernelInfo(Mode::kAsk, kernel, param_name, room, value, size);
  };
  // A driver's own references, of commands, come and go.
  if (param_name == CL_KERNEL_REFERENCE_COUNT) return place.give(cl_uint{known->refs.load()});
  if (known->facts == nullptr) return ask(param_value_size, param_value, param_value_size_ret);
  return known->facts->infos.give({param_name, ~uint64_t{0}}, place, ask);
}

// The same for all kernels of a name, as long as the arguments have no say in it.
cl_int CL_API_CALL client_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                                                   cl_kernel_work_group_info param_name,
                                                   size_t param_value_size, void* param_value,
                                                   size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const Kernel* known = get(kernel);
  if (known == nullptr) return CL_INVALID_KERNEL;
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetKernelWorkGroupInfo(Mode::kAsk, kernel, device, param_name, room, value, size);
  };
  const bool fixed = param_name == CL_KERNEL_WORK_GROUP_SIZE ||
                     param_name == CL_KERNEL_COMPILE_WORK_GROUP_SIZE ||
                     param_name == CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE;
  if (!fixed || known->facts == nullptr || (device != nullptr && get(device) == nullptr))
    return ask(param_value_size, param_value, param_value_size_ret);
  const ObjectId on = device == nullptr ? 0 : get(device)->id;
  return known->facts->infos.give({param_name, on}, place, ask);
}

cl_int CL_API_CALL client_clGetKernelArgInfo(cl_kernel kernel, cl_uint arg_indx,
                                             cl_kernel_arg_info param_name, size_t param_value_size,
                                             void* param_value, size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  const Kernel* known = get(kernel);
  if (known == nullptr) return CL_INVALID_KERNEL;
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetKernelArgInfo(Mode::kAsk, kernel, arg_indx, param_name, room, value, size);
  };
  if (known->facts == nullptr) return ask(param_value_size, param_value, param_value_size_ret);
  return known->facts->infos.give({param_name, arg_indx}, place, ask);
}

namespace {

// What is asked once: an argument of this size, given in this form.
// Eight bytes of zeros may be a null handle, which tells nothing of other eight bytes.
enum Form : uint64_t { kBytes, kNothing, kZero, kMemory, kSamplerObject };

uint64_t key_of(cl_uint index, size_t size, Form form) {
  return static_cast<uint64_t>(index) << 35 | static_cast<uint64_t>(size & 0xffffffff) << 3 | form;
}

Form form_of(const Object* object, const void* value, size_t size, uint64_t word) {
  if (object != nullptr) return object->kind == kSampler ? kSamplerObject : kMemory;
  if (value == nullptr) return kNothing;
  return size == sizeof word && word == 0 ? kZero : kBytes;
}

bool was_accepted(const Kernel& kernel, uint64_t key) {
  if (kernel.facts == nullptr) return false;
  base::MutexLock lock(kernel.facts->mutex);
  return kernel.facts->arguments.count(key) != 0;
}

}  // namespace

cl_int CL_API_CALL client_clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size,
                                         const void* arg_value) {
  Kernel* known = get(kernel);
  if (known == nullptr) return CL_INVALID_KERNEL;
  if ((arg_index & kArgIsObject) != 0) return CL_INVALID_ARG_INDEX;
  if (arg_size > kMostCall) return CL_INVALID_ARG_SIZE;
  const Object* object = nullptr;
  uint64_t word = 0;
  if (arg_value != nullptr && arg_size == sizeof word) {
    std::memcpy(&word, arg_value, sizeof word);
    object = word == 0 ? nullptr : Client::get().argument_at(word);
    if (object != nullptr && object->client != known->client)
      return object->kind == kSampler ? CL_INVALID_SAMPLER : CL_INVALID_MEM_OBJECT;
  }
  const uint64_t key = key_of(arg_index, arg_size, form_of(object, arg_value, arg_size, word));
  const bool accepted = arg_size <= 0xffffffff && was_accepted(*known, key);
  const cl_int code = wire_clSetKernelArg(accepted ? Mode::kTell : Mode::kAsk, kernel,
                                          object == nullptr ? arg_index : arg_index | kArgIsObject,
                                          arg_size, object == nullptr ? arg_value : &object->id);
  if (code != CL_SUCCESS) return code;
  if (arg_index < 64) known->set.fetch_or(uint64_t{1} << arg_index, std::memory_order_relaxed);
  if (!accepted && known->facts != nullptr) {
    base::MutexLock lock(known->facts->mutex);
    known->facts->arguments[key] = true;
  }
  return CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
