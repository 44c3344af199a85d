// A driver of nothing but answers, for targets that drive a worker. Any thread.
#pragma once

#include <cstring>
#include <type_traits>

#include "remote/opencl/worker/worker.h"
#include "test/opencl_answers.h"

namespace flexai::test {

template <typename Function>
struct Answer;
template <typename R, typename... Arguments>
struct Answer<R(CL_API_CALL*)(Arguments...)> {
  static R CL_API_CALL call(Arguments...) {
    if constexpr (std::is_pointer_v<R> && !std::is_same_v<R, void*>) {
      static char object;
      return reinterpret_cast<R>(&object);
    } else {
      return R();  // CL_SUCCESS, no memory, nothing
    }
  }
};

inline cl_int CL_API_CALL object_info(cl_mem, cl_mem_info, size_t room, void* value, size_t*) {
  constexpr size_t kSize = 4096;
  if (value != nullptr && room == sizeof kSize) std::memcpy(value, &kSize, sizeof kSize);
  return CL_SUCCESS;
}

inline cl_int CL_API_CALL call_back(cl_event event, cl_int when,
                                    void(CL_CALLBACK* call)(cl_event, cl_int, void*), void* data) {
  call(event, when, data);
  return CL_SUCCESS;
}

// What no driver takes, so that nobody need clean up after it.
template <typename Made>
Made refused(cl_int code, cl_int* place) {
  *place = code;
  return nullptr;
}

inline cl_context CL_API_CALL
create_context(const cl_context_properties*, cl_uint count, const cl_device_id* devices,
               void(CL_CALLBACK*)(const char*, const void*, size_t, void*), void*, cl_int* code) {
  if (devices == nullptr || count == 0) return refused<cl_context>(CL_INVALID_VALUE, code);
  static char object;
  return reinterpret_cast<cl_context>(&object);
}

inline cl_int CL_API_CALL create_sub_devices(cl_device_id, const cl_device_partition_property* how,
                                             cl_uint room, cl_device_id* devices, cl_uint* count) {
  if (how == nullptr) return CL_INVALID_VALUE;
  static char object;
  for (cl_uint i = 0; devices != nullptr && i < room && i < 2; ++i)
    devices[i] = reinterpret_cast<cl_device_id>(&object);
  if (count != nullptr) *count = 2;
  return CL_SUCCESS;
}

inline cl_mem CL_API_CALL create_image(cl_context, cl_mem_flags, const cl_image_format* format,
                                       const cl_image_desc* desc, void*, cl_int* code) {
  if (format == nullptr) return refused<cl_mem>(CL_INVALID_IMAGE_FORMAT_DESCRIPTOR, code);
  if (desc == nullptr) return refused<cl_mem>(CL_INVALID_IMAGE_DESCRIPTOR, code);
  static char object;
  return reinterpret_cast<cl_mem>(&object);
}

inline cl_mem CL_API_CALL create_image_with(cl_context context, const cl_mem_properties*,
                                            cl_mem_flags flags, const cl_image_format* format,
                                            const cl_image_desc* desc, void* host, cl_int* code) {
  return create_image(context, flags, format, desc, host, code);
}

inline remote::opencl::Granted granted() {
  remote::opencl::Granted all;
  all.table = answering_table<Answer>();
  all.table.clGetMemObjectInfo = object_info;
  all.table.clSetEventCallback = call_back;
  all.table.clCreateContext = create_context;
  all.table.clCreateSubDevices = create_sub_devices;
  all.table.clCreateImage = create_image;
  all.table.clCreateImageWithProperties = create_image_with;
  all.devices.resize(3, reinterpret_cast<cl_device_id>(&all));
  return all;
}

}  // namespace flexai::test
