// Answers to clGet*Info that the client has itself. Pure; any thread.
#pragma once

#include <CL/cl.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace flexai::remote::opencl {

struct InfoPlace {
  size_t room;
  void* value;
  size_t* size_ret;

  cl_int give(const void* data, size_t size) const {
    if (value != nullptr && room < size) return CL_INVALID_VALUE;
    if (value != nullptr && data != nullptr && size != 0) std::memcpy(value, data, size);
    if (size_ret != nullptr) *size_ret = size;
    return CL_SUCCESS;
  }
  template <typename T>
  cl_int give(const T& one) const {
    return give(&one, sizeof one);
  }
  template <typename T>
  cl_int give_row(const std::vector<T>& row) const {
    return give(row.data(), row.size() * sizeof(T));
  }
  cl_int give_text(std::string_view text) const {
    if (value != nullptr && room < text.size() + 1) return CL_INVALID_VALUE;
    if (value != nullptr) {
      std::memcpy(value, text.data(), text.size());
      static_cast<char*>(value)[text.size()] = 0;
    }
    if (size_ret != nullptr) *size_ret = text.size() + 1;
    return CL_SUCCESS;
  }
};

// The handles of a row of objects.
template <typename Handle, typename T>
std::vector<Handle> handles_of(const std::vector<T*>& objects) {
  std::vector<Handle> handles;
  for (T* object : objects) handles.push_back(reinterpret_cast<Handle>(object));
  return handles;
}

}  // namespace flexai::remote::opencl
