// Programs: made and built at the worker, which has the compiler.
#include <algorithm>
#include <cstring>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"
#include "remote/opencl/client/info.h"
#include "remote/opencl/client/outgoing.h"

namespace flexai::remote::opencl {
namespace {

Program* new_program(cl_context context) {
  return new Program(take_id(get(context)), get(context));
}

cl_program give(Program* program, cl_uint num_devices, const cl_device_id* devices, cl_int code,
                cl_int* errcode_ret) {
  if (code == CL_SUCCESS && devices != nullptr) {
    for (cl_uint i = 0; i < num_devices; ++i) program->devices.push_back(get(devices[i]));
  } else if (code == CL_SUCCESS) {
    program->devices = program->context()->devices;
  }
  return born<cl_program>(program, code, errcode_ret);
}

// What was found out of a program is of the last time it was built.
void forget_facts(Program* program) {
  if (program == nullptr) return;
  base::MutexLock lock(program->mutex);
  program->infos.clear();
  program->kernels.clear();
  program->names_known = false;
}

// The call has come back: what a driver would call from another thread is called now.
void call_back(ProgramNotify notify, cl_program program, void* user_data) {
  if (notify == nullptr) return;
  Client::of(get(program)).call_back([notify, program, user_data] { notify(program, user_data); });
}

}  // namespace

cl_program CL_API_CALL client_clCreateProgramWithSource(cl_context context, cl_uint count,
                                                        const char** strings, const size_t* lengths,
                                                        cl_int* errcode_ret) {
  Program* program = new_program(context);
  const bool plain =
      get(context) != nullptr && count != 0 && strings != nullptr &&
      std::all_of(strings, strings + count, [](const char* s) { return s != nullptr; });
  const cl_int code = wire_clCreateProgramWithSource(plain ? Mode::kTell : Mode::kAsk, context,
                                                     count, strings, lengths, program->id);
  return give(program, 0, nullptr, code, errcode_ret);
}

cl_program CL_API_CALL client_clCreateProgramWithBinary(
    cl_context context, cl_uint num_devices, const cl_device_id* device_list, const size_t* lengths,
    const unsigned char** binaries, cl_int* binary_status, cl_int* errcode_ret) {
  if (device_list == nullptr || num_devices == 0 || lengths == nullptr || binaries == nullptr)
    return born<cl_program, Program>(
        nullptr, get(context) == nullptr ? CL_INVALID_CONTEXT : CL_INVALID_VALUE, errcode_ret);
  Program* program = new_program(context);
  // A binary without a length is none: it does not travel.
  std::vector<const unsigned char*> sound(binaries, binaries + num_devices);
  for (cl_uint i = 0; i < num_devices; ++i)
    if (lengths[i] == 0) sound[i] = nullptr;
  const cl_int code =
      wire_clCreateProgramWithBinary(Mode::kAsk, context, num_devices, device_list, sound.data(),
                                     lengths, binary_status, program->id);
  for (cl_uint i = 0; code == CL_INVALID_BINARY && binary_status != nullptr && i < num_devices; ++i)
    binary_status[i] = CL_INVALID_BINARY;
  return give(program, num_devices, device_list, code, errcode_ret);
}

cl_program CL_API_CALL client_clCreateProgramWithBuiltInKernels(cl_context context,
                                                                cl_uint num_devices,
                                                                const cl_device_id* device_list,
                                                                const char* kernel_names,
                                                                cl_int* errcode_ret) {
  Program* program = new_program(context);
  const cl_int code = wire_clCreateProgramWithBuiltInKernels(
      Mode::kAsk, context, num_devices, device_list, kernel_names, program->id);
  return give(program, num_devices, device_list, code, errcode_ret);
}

namespace {

// More than a call carries does not travel. What the driver has against any of it, it says of its
// beginning.
template <typename Send>
cl_program create_from_il(cl_context context, size_t length, cl_int* errcode_ret, Send send) {
  constexpr size_t kBeginning = 64;
  Program* program = new_program(context);
  const bool whole = length <= kMostCall;
  cl_int code = send(whole ? length : kBeginning, program->id);
  if (code == CL_SUCCESS && !whole) {
    wire_clReleaseProgram(Mode::kTell, handle_of<cl_program>(program));
    code = CL_OUT_OF_HOST_MEMORY;
  }
  return give(program, 0, nullptr, code, errcode_ret);
}

}  // namespace

cl_program CL_API_CALL client_clCreateProgramWithIL(cl_context context, const void* il,
                                                    size_t length, cl_int* errcode_ret) {
  return create_from_il(context, length, errcode_ret, [&](size_t size, ObjectId id) {
    return wire_clCreateProgramWithIL(Mode::kAsk, context, il, size, id);
  });
}

cl_program CL_API_CALL client_clCreateProgramWithILKHR(cl_context context, const void* il,
                                                       size_t length, cl_int* errcode_ret) {
  return create_from_il(context, length, errcode_ret, [&](size_t size, ObjectId id) {
    return wire_clCreateProgramWithILKHR(Mode::kAsk, context, il, size, id);
  });
}

namespace {

// `send` asks for a build of some kind.
template <typename Send>
cl_int build(cl_program program, ProgramNotify notify, void* user_data, Send send) {
  if (get(program) != nullptr && notify == nullptr && user_data != nullptr) return CL_INVALID_VALUE;
  forget_facts(get(program));
  const cl_int code = send();
  if (get(program) != nullptr) get(program)->infos.clear();  // asked meanwhile
  call_back(notify, program, user_data);
  return code;
}

}  // namespace

cl_int CL_API_CALL client_clBuildProgram(cl_program program, cl_uint num_devices,
                                         const cl_device_id* device_list, const char* options,
                                         ProgramNotify pfn_notify, void* user_data) {
  return build(program, pfn_notify, user_data, [&] {
    return wire_clBuildProgram(Mode::kAsk, program, num_devices, device_list, options);
  });
}

cl_int CL_API_CALL client_clCompileProgram(cl_program program, cl_uint num_devices,
                                           const cl_device_id* device_list, const char* options,
                                           cl_uint num_input_headers,
                                           const cl_program* input_headers,
                                           const char** header_include_names,
                                           ProgramNotify pfn_notify, void* user_data) {
  return build(program, pfn_notify, user_data, [&] {
    return wire_clCompileProgram(Mode::kAsk, program, num_devices, device_list, options,
                                 num_input_headers, input_headers, header_include_names);
  });
}

cl_program CL_API_CALL client_clLinkProgram(cl_context context, cl_uint num_devices,
                                            const cl_device_id* device_list, const char* options,
                                            cl_uint num_input_programs,
                                            const cl_program* input_programs,
                                            ProgramNotify pfn_notify, void* user_data,
                                            cl_int* errcode_ret) {
  if (get(context) != nullptr && pfn_notify == nullptr && user_data != nullptr)
    return born<cl_program, Program>(nullptr, CL_INVALID_VALUE, errcode_ret);
  Program* program = new_program(context);
  const cl_int code = wire_clLinkProgram(Mode::kAsk, context, num_devices, device_list, options,
                                         num_input_programs, input_programs, program->id);
  const cl_program made = give(program, num_devices, device_list, code, errcode_ret);
  call_back(pfn_notify, made, user_data);
  return made;
}

namespace {

cl_int give_binaries(cl_program program, const InfoPlace& place) {
  const size_t count = get(program)->devices.size();
  if (place.value == nullptr || place.room < count * sizeof(unsigned char*))
    return place.give(nullptr, count * sizeof(unsigned char*));
  Outgoing call(33);
  call.handle(program);
  call.number(cl_program_info{CL_PROGRAM_BINARIES});
  call.number(size_t{0});
  call.wanted(place.value);
  call.wanted(nullptr);
  if (const cl_int code = call.send(Mode::kAsk); code != CL_SUCCESS) return code;
  wire::Reader row(call.results().blob("binaries", kMostReply));
  auto** places = static_cast<unsigned char**>(place.value);
  for (size_t i = 0; i < count && row.ok(); ++i) {
    const wire::Bytes binary = row.blob("binary", kMostReply);
    if (places[i] != nullptr && row.ok() && !binary.empty())
      std::memcpy(places[i], binary.data(), binary.size());
  }
  if (place.size_ret != nullptr) *place.size_ret = count * sizeof(unsigned char*);
  return row.ok() ? CL_SUCCESS : CL_OUT_OF_RESOURCES;
}

}  // namespace

cl_int CL_API_CALL client_clGetProgramInfo(cl_program program, cl_program_info param_name,
                                           size_t param_value_size, void* param_value,
                                           size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  Program* known = get(program);
  if (known == nullptr) return CL_INVALID_PROGRAM;
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetProgramInfo(Mode::kAsk, program, param_name, room, value, size);
  };
  switch (param_name) {
    case CL_PROGRAM_CONTEXT:
      return place.give(handle_of<cl_context>(known->context()));
    case CL_PROGRAM_DEVICES:
      return place.give_row(handles_of<cl_device_id>(known->devices));
    case CL_PROGRAM_BINARIES:
      return give_binaries(program, place);
    case CL_PROGRAM_REFERENCE_COUNT:
      return ask(param_value_size, param_value, param_value_size_ret);
    default:
      return known->infos.give({param_name, 0}, place, ask);
  }
}

cl_int CL_API_CALL client_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                                                cl_program_build_info param_name,
                                                size_t param_value_size, void* param_value,
                                                size_t* param_value_size_ret) {
  const InfoPlace place{param_value_size, param_value, param_value_size_ret};
  Program* known = get(program);
  if (known == nullptr) return CL_INVALID_PROGRAM;
  const auto ask = [&](size_t room, void* value, size_t* size) {
    return wire_clGetProgramBuildInfo(Mode::kAsk, program, device, param_name, room, value, size);
  };
  if (get(device) == nullptr) return ask(param_value_size, param_value, param_value_size_ret);
  return known->infos.give({param_name, get(device)->id}, place, ask);
}

cl_int CL_API_CALL client_clSetProgramReleaseCallback(cl_program program, ProgramNotify pfn_notify,
                                                      void* user_data) {
  Program* known = get(program);
  if (known == nullptr) return CL_INVALID_PROGRAM;
  const cl_int code = wire_clSetProgramReleaseCallback(Mode::kAsk, program);
  if (code != CL_SUCCESS) return code;
  if (pfn_notify == nullptr) return CL_INVALID_VALUE;
  known->released = pfn_notify;
  known->released_data = user_data;
  return CL_SUCCESS;
}

}  // namespace flexai::remote::opencl
