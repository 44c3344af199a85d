// Programs: one on each host of the context, made of the same.
#include <algorithm>

#include "remote/opencl/client/info.h"
#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {
namespace {

// `make(place, context)` makes that of a host.
template <typename Make>
cl_program create(cl_context handle, cl_int* errcode_ret, Make make) {
  auto* context = wide<WideContext>(handle);
  if (context == nullptr)
    return given<cl_program, WideProgram>(nullptr, CL_INVALID_CONTEXT, errcode_ret);
  auto* program = new WideProgram(context);
  program->devices = context->devices;
  program->reals.resize(context->hosts.size());
  cl_int code = CL_SUCCESS;
  for (Place host = 0; code == CL_SUCCESS && host < context->hosts.size(); ++host) {
    program->reals[host] = make(host, context->hosts[host].context, &code);
    if (code != CL_SUCCESS) program->reals[host] = nullptr;
  }
  return given<cl_program>(program, code, errcode_ret);
}

cl_program CL_API_CALL with_source(cl_context context, cl_uint count, const char** strings,
                                   const size_t* lengths, cl_int* code) {
  return create(context, code, [&](Place, cl_context its, cl_int* its_code) {
    return below().clCreateProgramWithSource(its, count, strings, lengths, its_code);
  });
}

cl_program CL_API_CALL with_il(cl_context context, const void* il, size_t length, cl_int* code) {
  return create(context, code, [&](Place, cl_context its, cl_int* its_code) {
    return below().clCreateProgramWithIL(its, il, length, its_code);
  });
}

// The rows of a list of devices that are of one host.
std::vector<cl_uint> rows_of(const WideContext& context, Place host, cl_uint count,
                             const cl_device_id* devices) {
  std::vector<cl_uint> rows;
  for (cl_uint i = 0; i < count; ++i)
    if (context.host_of(devices[i]) == host) rows.push_back(i);
  return rows;
}

cl_int check(const WideContext* context, cl_uint count, const cl_device_id* devices) {
  if (context == nullptr) return CL_INVALID_CONTEXT;
  if ((count == 0) != (devices == nullptr)) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < count; ++i)
    if (context->host_of(devices[i]) == context->hosts.size()) return CL_INVALID_DEVICE;
  return CL_SUCCESS;
}

template <typename T>
std::vector<T> pick(const std::vector<cl_uint>& rows, const T* all) {
  std::vector<T> picked;
  for (cl_uint row : rows) picked.push_back(all[row]);
  return picked;
}

cl_program of_devices(cl_program made, cl_uint count, const cl_device_id* devices) {
  if (auto* program = wide<WideProgram>(made); program != nullptr)
    program->devices.assign(devices, devices + count);
  return made;
}

cl_program CL_API_CALL with_binary(cl_context context, cl_uint count, const cl_device_id* devices,
                                   const size_t* lengths, const unsigned char** binaries,
                                   cl_int* status, cl_int* code) {
  const auto* known = wide<WideContext>(context);
  const cl_int wrong = check(known, count, devices);
  if (wrong != CL_SUCCESS || devices == nullptr || lengths == nullptr || binaries == nullptr)
    return given<cl_program, WideProgram>(nullptr, wrong != CL_SUCCESS ? wrong : CL_INVALID_VALUE,
                                          code);
  return of_devices(create(context, code,
                           [&](Place host, cl_context its, cl_int* its_code) -> cl_program {
                             const auto rows = rows_of(*known, host, count, devices);
                             if (rows.empty()) return nullptr;
                             std::vector<cl_int> states(rows.size());
                             const auto picked = pick(rows, devices);
                             const auto sizes = pick(rows, lengths);
                             auto bytes = pick(rows, binaries);
                             const cl_program made = below().clCreateProgramWithBinary(
                                 its, static_cast<cl_uint>(rows.size()), picked.data(),
                                 sizes.data(), bytes.data(), states.data(), its_code);
                             for (size_t i = 0; status != nullptr && i < rows.size(); ++i)
                               status[rows[i]] = states[i];
                             return made;
                           }),
                    count, devices);
}

cl_program CL_API_CALL with_built_in(cl_context context, cl_uint count, const cl_device_id* devices,
                                     const char* names, cl_int* code) {
  const auto* known = wide<WideContext>(context);
  const cl_int wrong = check(known, count, devices);
  if (wrong != CL_SUCCESS || devices == nullptr)
    return given<cl_program, WideProgram>(nullptr, wrong != CL_SUCCESS ? wrong : CL_INVALID_VALUE,
                                          code);
  return of_devices(create(context, code,
                           [&](Place host, cl_context its, cl_int* its_code) -> cl_program {
                             const auto rows = rows_of(*known, host, count, devices);
                             if (rows.empty()) return nullptr;
                             const auto picked = pick(rows, devices);
                             return below().clCreateProgramWithBuiltInKernels(
                                 its, static_cast<cl_uint>(rows.size()), picked.data(), names,
                                 its_code);
                           }),
                    count, devices);
}

cl_int CL_API_CALL retain(cl_program program) {
  return retain_wide<WideProgram>(program, CL_INVALID_PROGRAM);
}
cl_int CL_API_CALL release(cl_program program) {
  return release_wide<WideProgram>(program, CL_INVALID_PROGRAM);
}

// The real devices of a host's program, and where each is among the program's.
std::vector<cl_uint> own_rows(const WideProgram& program, Place host) {
  return rows_of(*program.context(), host, static_cast<cl_uint>(program.devices.size()),
                 program.devices.data());
}

// `each(real, rows)` for the hosts of the program's devices. One that was not built there has
// nothing to say; the code is that of the first, if all of them have nothing.
template <typename Each>
cl_int of_hosts(const WideProgram& program, Each each) {
  cl_int first = CL_SUCCESS;
  bool any = false;
  for (Place host = 0; host < program.reals.size(); ++host) {
    const auto rows = own_rows(program, host);
    if (rows.empty()) continue;
    const cl_int code = each(program.reals[host], rows);
    any |= code == CL_SUCCESS;
    if (first == CL_SUCCESS) first = code;
  }
  return any ? CL_SUCCESS : first;
}

// A row with one entry a device, in the order of the program's devices.
cl_int give_sizes(const WideProgram& program, const InfoPlace& place) {
  std::vector<size_t> all(program.devices.size());
  const cl_int code = of_hosts(program, [&](cl_program real, const std::vector<cl_uint>& rows) {
    std::vector<size_t> its(rows.size());
    const cl_int said = below().clGetProgramInfo(real, CL_PROGRAM_BINARY_SIZES,
                                                 its.size() * sizeof(size_t), its.data(), nullptr);
    for (size_t i = 0; said == CL_SUCCESS && i < rows.size(); ++i) all[rows[i]] = its[i];
    return said;
  });
  return code == CL_SUCCESS ? place.give_row(all) : code;
}

cl_int give_binaries(const WideProgram& program, const InfoPlace& place) {
  const size_t bytes = program.devices.size() * sizeof(unsigned char*);
  if (place.value == nullptr || place.room < bytes) return place.give(nullptr, bytes);
  auto** places = static_cast<unsigned char**>(place.value);
  const cl_int code = of_hosts(program, [&](cl_program real, const std::vector<cl_uint>& rows) {
    auto its = pick(rows, places);
    return below().clGetProgramInfo(real, CL_PROGRAM_BINARIES, its.size() * sizeof(unsigned char*),
                                    its.data(), nullptr);
  });
  if (code == CL_SUCCESS && place.size_ret != nullptr) *place.size_ret = bytes;
  return code;
}

cl_int CL_API_CALL get_info(cl_program handle, cl_program_info name, size_t room, void* value,
                            size_t* size) {
  const auto* program = wide<WideProgram>(handle);
  if (program == nullptr) return CL_INVALID_PROGRAM;
  const InfoPlace place{room, value, size};
  switch (name) {
    case CL_PROGRAM_REFERENCE_COUNT:
      return place.give(cl_uint{program->refs.load()});
    case CL_PROGRAM_CONTEXT:
      return place.give(handle_of<cl_context>(program->context()));
    case CL_PROGRAM_NUM_DEVICES:
      return place.give(static_cast<cl_uint>(program->devices.size()));
    case CL_PROGRAM_DEVICES:
      return place.give_row(program->devices);
    case CL_PROGRAM_BINARY_SIZES:
      return give_sizes(*program, place);
    case CL_PROGRAM_BINARIES:
      return give_binaries(*program, place);
    default:
      break;
  }
  // The same on all hosts on which it was built.
  cl_int first = CL_SUCCESS;
  for (const cl_program real : program->reals) {
    if (real == nullptr) continue;
    const cl_int code = below().clGetProgramInfo(real, name, room, value, size);
    if (code == CL_SUCCESS) return code;
    if (first == CL_SUCCESS) first = code;
  }
  return first == CL_SUCCESS ? CL_INVALID_PROGRAM : first;
}

cl_int CL_API_CALL set_release(cl_program handle, ProgramNotify notify, void* user_data) {
  auto* program = wide<WideProgram>(handle);
  if (program == nullptr) return CL_INVALID_PROGRAM;
  if (notify == nullptr) return CL_INVALID_VALUE;
  program->released = notify;
  program->released_data = user_data;
  return CL_SUCCESS;
}

cl_int CL_API_CALL set_constant(cl_program handle, cl_uint id, size_t size, const void* value) {
  const auto* program = wide<WideProgram>(handle);
  if (program == nullptr) return CL_INVALID_PROGRAM;
  for (const cl_program real : program->reals) {
    if (real == nullptr) continue;
    const cl_int code = below().clSetProgramSpecializationConstant(real, id, size, value);
    if (code != CL_SUCCESS) return code;
  }
  return CL_SUCCESS;
}

}  // namespace

void add_programs(Table& table) {
  table.clCreateProgramWithSource = with_source;
  table.clCreateProgramWithIL = with_il;
  table.clCreateProgramWithBinary = with_binary;
  table.clCreateProgramWithBuiltInKernels = with_built_in;
  table.clRetainProgram = retain;
  table.clReleaseProgram = release;
  table.clGetProgramInfo = get_info;
  table.clSetProgramReleaseCallback = set_release;
  table.clSetProgramSpecializationConstant = set_constant;
}

}  // namespace flexai::remote::opencl::wide
