// Kernels: one on each host that built the program. A memory object is set where a launch needs it,
// anything else everywhere at once.
#include <cstring>

#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/command.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

// `make(host, code)` makes that of a host. One is enough: a program may be built on some only.
template <typename Make>
cl_kernel create(WideProgram* program, const char* name, cl_int* errcode_ret, Make make) {
  auto* kernel = new WideKernel(program);
  kernel->name = name;
  kernel->reals.resize(program->reals.size());
  cl_int first = CL_SUCCESS;
  bool any = false;
  for (Place host = 0; host < kernel->reals.size(); ++host) {
    if (program->reals[host] == nullptr) continue;
    cl_int code = CL_SUCCESS;
    const cl_kernel real = make(host, &code);
    if (code == CL_SUCCESS) kernel->reals[host] = real;
    any |= code == CL_SUCCESS;
    if (first == CL_SUCCESS) first = code;
  }
  return given<cl_kernel>(kernel, any ? CL_SUCCESS : first, errcode_ret);
}

cl_kernel CL_API_CALL create_kernel(cl_program handle, const char* name, cl_int* errcode_ret) {
  auto* program = wide<WideProgram>(handle);
  if (program == nullptr || name == nullptr)
    return given<cl_kernel, WideKernel>(
        nullptr, program == nullptr ? CL_INVALID_PROGRAM : CL_INVALID_VALUE, errcode_ret);
  return create(program, name, errcode_ret, [&](Place host, cl_int* code) {
    return below().clCreateKernel(program->reals[host], name, code);
  });
}

cl_int CL_API_CALL create_all(cl_program handle, cl_uint room, cl_kernel* kernels, cl_uint* count) {
  size_t size = 0;
  cl_int code = wide_table().clGetProgramInfo(handle, CL_PROGRAM_KERNEL_NAMES, 0, nullptr, &size);
  std::string names(size, '\0');
  if (code == CL_SUCCESS)
    code =
        wide_table().clGetProgramInfo(handle, CL_PROGRAM_KERNEL_NAMES, size, names.data(), nullptr);
  if (code != CL_SUCCESS) return code;
  names.resize(std::strlen(names.c_str()));
  std::vector<std::string> each;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(';', at), names.size());
    each.push_back(names.substr(at, end - at));
    at = end + 1;
  }
  if (kernels != nullptr && room < each.size()) return CL_INVALID_VALUE;
  for (size_t i = 0; kernels != nullptr && i < each.size(); ++i) {
    kernels[i] = create_kernel(handle, each[i].c_str(), &code);
    if (code != CL_SUCCESS) return code;
  }
  if (count != nullptr) *count = static_cast<cl_uint>(each.size());
  return CL_SUCCESS;
}

cl_kernel CL_API_CALL clone(cl_kernel handle, cl_int* errcode_ret) {
  auto* source = wide<WideKernel>(handle);
  if (source == nullptr)
    return given<cl_kernel, WideKernel>(nullptr, CL_INVALID_KERNEL, errcode_ret);
  const cl_kernel made = create(source->program(), source->name.c_str(), errcode_ret,
                                [&](Place host, cl_int* code) -> cl_kernel {
                                  if (source->reals[host] != nullptr)
                                    return below().clCloneKernel(source->reals[host], code);
                                  *code = CL_INVALID_KERNEL;
                                  return nullptr;
                                });
  if (auto* kernel = wide<WideKernel>(made); kernel != nullptr) {
    base::MutexLock lock(source->program()->context()->mutex);
    kernel->arguments = source->arguments;
  }
  return made;
}

cl_int CL_API_CALL retain(cl_kernel kernel) {
  return retain_wide<WideKernel>(kernel, CL_INVALID_KERNEL);
}
cl_int CL_API_CALL release(cl_kernel kernel) {
  return release_wide<WideKernel>(kernel, CL_INVALID_KERNEL);
}

cl_kernel any_of(const WideKernel& kernel) {
  for (const cl_kernel real : kernel.reals)
    if (real != nullptr) return real;
  return nullptr;
}

// Whether it says that it does not.
bool may_write(const WideKernel& kernel, cl_uint index) {
  WideProgram* program = kernel.program();
  const std::pair key{kernel.name, index};
  {
    base::MutexLock lock(program->mutex);
    if (auto found = program->writes.find(key); found != program->writes.end())
      return found->second;
  }
  const cl_kernel real = any_of(kernel);
  cl_kernel_arg_address_qualifier where = CL_KERNEL_ARG_ADDRESS_GLOBAL;
  cl_kernel_arg_type_qualifier type = CL_KERNEL_ARG_TYPE_NONE;
  cl_kernel_arg_access_qualifier access = CL_KERNEL_ARG_ACCESS_NONE;
  const auto ask = [&](cl_kernel_arg_info what, size_t size, void* into) {
    return below().clGetKernelArgInfo(real, index, what, size, into, nullptr) == CL_SUCCESS;
  };
  const bool writes =
      !ask(CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof where, &where) ||
      !ask(CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof type, &type) ||
      !ask(CL_KERNEL_ARG_ACCESS_QUALIFIER, sizeof access, &access) ||
      (where != CL_KERNEL_ARG_ADDRESS_CONSTANT && (type & CL_KERNEL_ARG_TYPE_CONST) == 0 &&
       access != CL_KERNEL_ARG_ACCESS_READ_ONLY);
  base::MutexLock lock(program->mutex);
  program->writes[key] = writes;
  return writes;
}

// An object that an argument of eight bytes names; null: none. `serial`: which one.
Object* named_by(WideContext* context, size_t size, const void* value, uint64_t* serial) {
  const Object* object = nullptr;
  if (value == nullptr || size != sizeof object) return nullptr;
  std::memcpy(&object, value, sizeof object);
  base::MutexLock lock(context->mutex);
  auto found = context->arguments.find(object);
  if (found == context->arguments.end()) return nullptr;
  *serial = found->second;
  return const_cast<Object*>(object);
}

// The driver says whether there is such an argument; of a buffer, asked with none.
cl_int set_memory(WideKernel* kernel, cl_uint index, WideMem* mem, uint64_t serial) {
  const bool writes = may_write(*kernel, index) && (mem->flags & CL_MEM_READ_ONLY) == 0;
  base::MutexLock lock(mem->context()->mutex);
  Place host = 0;
  while (host < kernel->reals.size() &&
         (kernel->reals[host] == nullptr || mem->reals[host] == nullptr))
    ++host;
  const bool there_is = host < kernel->reals.size();
  const cl_mem real = there_is ? mem->reals[host] : nullptr;
  const cl_int code = below().clSetKernelArg(there_is ? kernel->reals[host] : any_of(*kernel),
                                             index, sizeof real, &real);
  if (code != CL_SUCCESS) return code;
  WideKernel::Argument& argument = kernel->arguments[index];
  argument = {mem, serial, writes, std::vector<cl_mem>(kernel->reals.size())};
  if (there_is) argument.set_to[host] = real;
  return CL_SUCCESS;
}

cl_int CL_API_CALL set_argument(cl_kernel handle, cl_uint index, size_t size, const void* value) {
  auto* kernel = wide<WideKernel>(handle);
  if (kernel == nullptr) return CL_INVALID_KERNEL;
  WideContext* context = kernel->program()->context();
  uint64_t serial = 0;
  Object* object = named_by(context, size, value, &serial);
  if (auto* mem = wide<WideMem>(object); mem != nullptr)
    return set_memory(kernel, index, mem, serial);
  const auto* sampler = wide<WideSampler>(object);
  for (Place host = 0; host < kernel->reals.size(); ++host) {
    if (kernel->reals[host] == nullptr) continue;
    const cl_int code = below().clSetKernelArg(kernel->reals[host], index, size,
                                               sampler == nullptr ? value : &sampler->reals[host]);
    if (code != CL_SUCCESS) return code;
  }
  base::MutexLock lock(context->mutex);
  kernel->arguments.erase(index);
  return CL_SUCCESS;
}

// What a launch uses; false: an argument's memory is gone.
bool uses_of(WideKernel* kernel, std::vector<Use>* uses) {
  WideContext* context = kernel->program()->context();
  base::MutexLock lock(context->mutex);
  for (const auto& [index, argument] : kernel->arguments) {
    auto found = context->arguments.find(argument.mem);
    if (found == context->arguments.end() || found->second != argument.serial) return false;
    uses->push_back(
        {argument.mem, 0, argument.mem->size, argument.writes ? Access::kBoth : Access::kRead});
  }
  return true;
}

// REQUIRES: the context's mutex.
cl_int set_there(WideKernel* kernel, Place host) {
  for (auto& [index, argument] : kernel->arguments) {
    const cl_mem real = argument.mem->reals[host];
    if (argument.set_to[host] == real) continue;
    const cl_int code = below().clSetKernelArg(kernel->reals[host], index, sizeof real, &real);
    if (code != CL_SUCCESS) return code;
    argument.set_to[host] = real;
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL launch(cl_command_queue queue, cl_kernel handle, cl_uint dimensions,
                          const size_t* offset, const size_t* global, const size_t* local,
                          cl_uint count, const cl_event* waits, cl_event* event) {
  const auto* on = wide<WideQueue>(queue);
  auto* kernel = wide<WideKernel>(handle);
  if (on == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (kernel == nullptr) return CL_INVALID_KERNEL;
  if (kernel->program()->context() != on->context()) return CL_INVALID_CONTEXT;
  if (kernel->reals[on->host] == nullptr) return CL_INVALID_PROGRAM_EXECUTABLE;
  std::vector<Use> uses;
  if (!uses_of(kernel, &uses)) return CL_INVALID_MEM_OBJECT;
  Command command(queue, CL_COMMAND_NDRANGE_KERNEL, {count, waits}, event);
  return command.run(
      uses, false, [&](cl_command_queue real, cl_uint n, const cl_event* list, cl_event* its) {
        const cl_int code = set_there(kernel, on->host);
        if (code != CL_SUCCESS) return code;
        return below().clEnqueueNDRangeKernel(real, kernel->reals[on->host], dimensions, offset,
                                              global, local, n, list, its);
      });
}

cl_int CL_API_CALL task(cl_command_queue queue, cl_kernel kernel, cl_uint count,
                        const cl_event* waits, cl_event* event) {
  const size_t one = 1;
  return launch(queue, kernel, 1, nullptr, &one, &one, count, waits, event);
}

cl_int CL_API_CALL get_info(cl_kernel handle, cl_kernel_info name, size_t room, void* value,
                            size_t* size) {
  const auto* kernel = wide<WideKernel>(handle);
  if (kernel == nullptr) return CL_INVALID_KERNEL;
  const InfoPlace place{room, value, size};
  if (name == CL_KERNEL_REFERENCE_COUNT) return place.give(cl_uint{kernel->refs.load()});
  if (name == CL_KERNEL_PROGRAM) return place.give(handle_of<cl_program>(kernel->program()));
  if (name == CL_KERNEL_CONTEXT)
    return place.give(handle_of<cl_context>(kernel->program()->context()));
  return below().clGetKernelInfo(any_of(*kernel), name, room, value, size);
}

cl_int CL_API_CALL get_argument_info(cl_kernel handle, cl_uint index, cl_kernel_arg_info name,
                                     size_t room, void* value, size_t* size) {
  const auto* kernel = wide<WideKernel>(handle);
  if (kernel == nullptr) return CL_INVALID_KERNEL;
  return below().clGetKernelArgInfo(any_of(*kernel), index, name, room, value, size);
}

// The kernel of the device's host; null: it has none.
cl_kernel on_device(const WideKernel& kernel, cl_device_id device) {
  const Place host = kernel.program()->context()->host_of(device);
  return host == kernel.reals.size() ? nullptr : kernel.reals[host];
}

cl_int CL_API_CALL get_group_info(cl_kernel handle, cl_device_id device,
                                  cl_kernel_work_group_info name, size_t room, void* value,
                                  size_t* size) {
  const auto* kernel = wide<WideKernel>(handle);
  if (kernel == nullptr) return CL_INVALID_KERNEL;
  const cl_kernel real = on_device(*kernel, device);
  if (real == nullptr) return CL_INVALID_DEVICE;
  return below().clGetKernelWorkGroupInfo(real, device, name, room, value, size);
}

cl_int CL_API_CALL get_sub_group_info(cl_kernel handle, cl_device_id device,
                                      cl_kernel_sub_group_info name, size_t input_size,
                                      const void* input, size_t room, void* value, size_t* size) {
  const auto* kernel = wide<WideKernel>(handle);
  if (kernel == nullptr) return CL_INVALID_KERNEL;
  const cl_kernel real = on_device(*kernel, device);
  if (real == nullptr) return CL_INVALID_DEVICE;
  return below().clGetKernelSubGroupInfo(real, device, name, input_size, input, room, value, size);
}

}  // namespace

void add_kernels(Table& table) {
  table.clCreateKernel = create_kernel;
  table.clCreateKernelsInProgram = create_all;
  table.clCloneKernel = clone;
  table.clRetainKernel = retain;
  table.clReleaseKernel = release;
  table.clSetKernelArg = set_argument;
  table.clEnqueueNDRangeKernel = launch;
  table.clEnqueueTask = task;
  table.clGetKernelInfo = get_info;
  table.clGetKernelArgInfo = get_argument_info;
  table.clGetKernelWorkGroupInfo = get_group_info;
  table.clGetKernelSubGroupInfo = get_sub_group_info;
}

}  // namespace flexai::remote::opencl::wide
