// What the topics share: one device, a context, a queue, and a transcript on stdout that is the
// same in every run on one device. A topic never prints an address, a time or a size of the card.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::test {

// One line: "topic: text", text as by printf. Call from one thread at a time.
void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
void set_topic(const std::string& name);

// Short name of an OpenCL error: "INVALID_VALUE".
std::string error_name(cl_int code);
// FNV-1a over the bytes, 16 hex digits: what two runs must agree on.
std::string fingerprint(const void* bytes, size_t size);
template <typename T>
std::string fingerprint(const std::vector<T>& values) {
  return fingerprint(values.data(), values.size() * sizeof(T));
}

// Owned by main; topics borrow it.
struct Session {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;  // in order

  // A property of the device; `T{}` when the driver does not answer.
  template <typename T>
  T info(cl_device_info what) const {
    T value{};
    clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
    return value;
  }
  bool lists_extension(const std::string& name) const;
  // Null, with a line, when it does not build.
  cl_program build(const char* source) const;
  cl_kernel kernel(const char* source, const char* name) const;
  cl_mem buffer(size_t bytes, const void* data = nullptr) const;
  // Blocking read of a whole buffer of `count` words.
  std::vector<cl_uint> words(cl_command_queue queue, cl_mem buffer, size_t count) const;
};

// Numbers that look random and are the same everywhere.
std::vector<cl_uint> pattern(size_t count, uint32_t seed);

// __kernel void advance(__global uint* data): data[i] = data[i] * 3 + i
extern const char* const kAdvanceSource;

struct Topic {
  const char* name;
  void (*run)(Session& session);
};
extern const Topic kTopics[];
extern const size_t kTopicCount;

}  // namespace flexai::test
