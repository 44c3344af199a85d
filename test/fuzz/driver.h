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

inline remote::opencl::Granted granted() {
  remote::opencl::Granted all;
  all.table = answering_table<Answer>();
  all.table.clGetMemObjectInfo = object_info;
  all.table.clSetEventCallback = call_back;
  all.devices.resize(3, reinterpret_cast<cl_device_id>(&all));
  return all;
}

}  // namespace flexai::test
