// Builds: on all hosts at once, each with its own devices. The code is that of the first host whose
// build failed; what each device says of it is asked of its host.
#include <thread>

#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

// The devices of each host among those that were named; all of the program's for none.
std::vector<std::vector<cl_device_id>> by_host(const WideContext& context,
                                               const std::vector<cl_device_id>& all, cl_uint count,
                                               const cl_device_id* devices) {
  std::vector<std::vector<cl_device_id>> sorted(context.hosts.size());
  const size_t size = devices == nullptr ? all.size() : count;
  for (size_t i = 0; i < size; ++i) {
    const cl_device_id device = devices == nullptr ? all[i] : devices[i];
    if (const Place host = context.host_of(device); host < sorted.size())
      sorted[host].push_back(device);
  }
  return sorted;
}

cl_int check(const WideContext& context, cl_uint count, const cl_device_id* devices,
             const void* notify, const void* user_data) {
  if ((count == 0) != (devices == nullptr) || (notify == nullptr && user_data != nullptr))
    return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < count; ++i)
    if (context.host_of(devices[i]) == context.hosts.size()) return CL_INVALID_DEVICE;
  return CL_SUCCESS;
}

// `each(host, devices)` on a thread of its own for every host that has devices.
template <typename Each>
cl_int on_all(const std::vector<std::vector<cl_device_id>>& sorted, Each each) {
  std::vector<cl_int> codes(sorted.size(), CL_SUCCESS);
  std::vector<std::thread> threads;
  for (Place host = 0; host < sorted.size(); ++host)
    if (!sorted[host].empty())
      threads.emplace_back([&, host] { codes[host] = each(host, sorted[host]); });
  for (std::thread& thread : threads) thread.join();
  for (cl_int code : codes)
    if (code != CL_SUCCESS) return code;
  return CL_SUCCESS;
}

void forget_facts(WideProgram* program) {
  base::MutexLock lock(program->mutex);
  program->writes.clear();
}

cl_int CL_API_CALL build(cl_program handle, cl_uint count, const cl_device_id* devices,
                         const char* options, ProgramNotify notify, void* user_data) {
  auto* program = wide<WideProgram>(handle);
  if (program == nullptr) return CL_INVALID_PROGRAM;
  const WideContext& context = *program->context();
  cl_int code = check(context, count, devices, reinterpret_cast<const void*>(notify), user_data);
  if (code != CL_SUCCESS) return code;
  forget_facts(program);
  code =
      on_all(by_host(context, program->devices, count, devices),
             [&](Place host, const std::vector<cl_device_id>& its) {
               if (program->reals[host] == nullptr) return CL_INVALID_DEVICE;
               return below().clBuildProgram(program->reals[host], static_cast<cl_uint>(its.size()),
                                             its.data(), options, nullptr, nullptr);
             });
  if (notify != nullptr) notify(handle, user_data);
  return code;
}

// Those of one host; false: one is no program, or not there.
bool reals_of(Place host, cl_uint count, const cl_program* programs,
              std::vector<cl_program>* reals) {
  for (cl_uint i = 0; i < count; ++i) {
    const auto* program = wide<WideProgram>(programs[i]);
    if (program == nullptr || program->reals[host] == nullptr) return false;
    reals->push_back(program->reals[host]);
  }
  return true;
}

cl_int CL_API_CALL compile(cl_program handle, cl_uint count, const cl_device_id* devices,
                           const char* options, cl_uint num_headers, const cl_program* headers,
                           const char** names, ProgramNotify notify, void* user_data) {
  auto* program = wide<WideProgram>(handle);
  if (program == nullptr) return CL_INVALID_PROGRAM;
  const WideContext& context = *program->context();
  cl_int code = check(context, count, devices, reinterpret_cast<const void*>(notify), user_data);
  if (code == CL_SUCCESS &&
      ((num_headers == 0) != (headers == nullptr) || (num_headers == 0) != (names == nullptr)))
    code = CL_INVALID_VALUE;
  if (code != CL_SUCCESS) return code;
  forget_facts(program);
  code = on_all(by_host(context, program->devices, count, devices),
                [&](Place host, const std::vector<cl_device_id>& its) {
                  std::vector<cl_program> reals;
                  if (program->reals[host] == nullptr) return CL_INVALID_DEVICE;
                  if (!reals_of(host, num_headers, headers, &reals)) return CL_INVALID_PROGRAM;
                  return below().clCompileProgram(
                      program->reals[host], static_cast<cl_uint>(its.size()), its.data(), options,
                      num_headers, reals.empty() ? nullptr : reals.data(), names, nullptr, nullptr);
                });
  if (notify != nullptr) notify(handle, user_data);
  return code;
}

cl_program CL_API_CALL link(cl_context handle, cl_uint count, const cl_device_id* devices,
                            const char* options, cl_uint num_programs, const cl_program* programs,
                            ProgramNotify notify, void* user_data, cl_int* errcode_ret) {
  auto* context = wide<WideContext>(handle);
  cl_int code = context == nullptr ? CL_INVALID_CONTEXT
                                   : check(*context, count, devices,
                                           reinterpret_cast<const void*>(notify), user_data);
  if (code == CL_SUCCESS && (num_programs == 0 || programs == nullptr)) code = CL_INVALID_VALUE;
  if (code != CL_SUCCESS) return given<cl_program, WideProgram>(nullptr, code, errcode_ret);
  auto* program = new WideProgram(context);
  program->reals.resize(context->hosts.size());
  if (devices != nullptr) {
    program->devices.assign(devices, devices + count);
  } else {
    program->devices = context->devices;
  }
  code = on_all(by_host(*context, program->devices, 0, nullptr),
                [&](Place host, const std::vector<cl_device_id>& its) {
                  std::vector<cl_program> reals;
                  if (!reals_of(host, num_programs, programs, &reals)) return CL_INVALID_PROGRAM;
                  cl_int linked = CL_SUCCESS;
                  program->reals[host] = below().clLinkProgram(
                      context->hosts[host].context, static_cast<cl_uint>(its.size()), its.data(),
                      options, num_programs, reals.data(), nullptr, nullptr, &linked);
                  return linked;
                });
  const cl_program made = given<cl_program>(program, code, errcode_ret);
  if (notify != nullptr) notify(made, user_data);
  return made;
}

cl_int CL_API_CALL get_build_info(cl_program handle, cl_device_id device,
                                  cl_program_build_info name, size_t room, void* value,
                                  size_t* size) {
  const auto* program = wide<WideProgram>(handle);
  if (program == nullptr) return CL_INVALID_PROGRAM;
  const Place host = program->context()->host_of(device);
  if (host == program->reals.size() || program->reals[host] == nullptr) return CL_INVALID_DEVICE;
  return below().clGetProgramBuildInfo(program->reals[host], device, name, room, value, size);
}

}  // namespace

void add_builds(Table& table) {
  table.clBuildProgram = build;
  table.clCompileProgram = compile;
  table.clLinkProgram = link;
  table.clGetProgramBuildInfo = get_build_info;
}

}  // namespace flexai::remote::opencl::wide
