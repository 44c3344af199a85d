#include "test/e2e/opencl_entries/session.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>

namespace flexai::test {
namespace {

std::string g_topic;

}  // namespace

const char* const kAdvanceSource =
    "__kernel void advance(__global uint* data) {\n"
    "  size_t i = get_global_id(0);\n"
    "  data[i] = data[i] * 3u + (uint)i;\n"
    "}\n";

void set_topic(const std::string& name) { g_topic = name; }

void say(const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  std::printf("%s: %s\n", g_topic.c_str(), text);
  std::fflush(stdout);
}

std::string error_name(cl_int code) {
  static const std::map<cl_int, const char*> kNames = {
      {0, "SUCCESS"},
      {-1, "DEVICE_NOT_FOUND"},
      {-2, "DEVICE_NOT_AVAILABLE"},
      {-4, "MEM_OBJECT_ALLOCATION_FAILURE"},
      {-5, "OUT_OF_RESOURCES"},
      {-6, "OUT_OF_HOST_MEMORY"},
      {-7, "PROFILING_INFO_NOT_AVAILABLE"},
      {-8, "MEM_COPY_OVERLAP"},
      {-9, "IMAGE_FORMAT_MISMATCH"},
      {-10, "IMAGE_FORMAT_NOT_SUPPORTED"},
      {-11, "BUILD_PROGRAM_FAILURE"},
      {-13, "MISALIGNED_SUB_BUFFER_OFFSET"},
      {-14, "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
      {-18, "DEVICE_PARTITION_FAILED"},
      {-19, "KERNEL_ARG_INFO_NOT_AVAILABLE"},
      {-30, "INVALID_VALUE"},
      {-32, "INVALID_PLATFORM"},
      {-33, "INVALID_DEVICE"},
      {-34, "INVALID_CONTEXT"},
      {-35, "INVALID_QUEUE_PROPERTIES"},
      {-36, "INVALID_COMMAND_QUEUE"},
      {-37, "INVALID_HOST_PTR"},
      {-38, "INVALID_MEM_OBJECT"},
      {-41, "INVALID_SAMPLER"},
      {-44, "INVALID_PROGRAM"},
      {-45, "INVALID_PROGRAM_EXECUTABLE"},
      {-46, "INVALID_KERNEL_NAME"},
      {-48, "INVALID_KERNEL"},
      {-49, "INVALID_ARG_INDEX"},
      {-50, "INVALID_ARG_VALUE"},
      {-51, "INVALID_ARG_SIZE"},
      {-52, "INVALID_KERNEL_ARGS"},
      {-53, "INVALID_WORK_DIMENSION"},
      {-54, "INVALID_WORK_GROUP_SIZE"},
      {-57, "INVALID_EVENT_WAIT_LIST"},
      {-58, "INVALID_EVENT"},
      {-59, "INVALID_OPERATION"},
      {-61, "INVALID_BUFFER_SIZE"},
      {-63, "INVALID_GLOBAL_WORK_SIZE"},
      {-64, "INVALID_PROPERTY"},
      {-65, "INVALID_IMAGE_DESCRIPTOR"},
  };
  const auto found = kNames.find(code);
  return found != kNames.end() ? found->second : std::to_string(code);
}

std::string fingerprint(const void* bytes, size_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; ++i) {
    hash ^= static_cast<const unsigned char*>(bytes)[i];
    hash *= 0x100000001b3u;
  }
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::vector<cl_uint> pattern(size_t count, uint32_t seed) {
  std::vector<cl_uint> values(count);
  uint32_t state = seed * 2654435761u + 1;
  for (cl_uint& value : values) {
    state = state * 1664525u + 1013904223u;
    value = state;
  }
  return values;
}

bool Session::lists_extension(const std::string& name) const {
  size_t size = 0;
  if (clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, nullptr, &size) != CL_SUCCESS) return false;
  std::string all(size, '\0');
  clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, size, all.data(), nullptr);
  all.resize(std::strlen(all.c_str()));
  return (" " + all + " ").find(" " + name + " ") != std::string::npos;
}

cl_program Session::build(const char* source) const {
  cl_int error = CL_SUCCESS;
  cl_program program = clCreateProgramWithSource(context, 1, &source, nullptr, &error);
  if (error == CL_SUCCESS) error = clBuildProgram(program, 1, &device, "", nullptr, nullptr);
  if (error == CL_SUCCESS) return program;
  say("build: %s", error_name(error).c_str());
  if (program != nullptr) clReleaseProgram(program);
  return nullptr;
}

cl_kernel Session::kernel(const char* source, const char* name) const {
  cl_program program = build(source);
  if (program == nullptr) return nullptr;
  cl_int error = CL_SUCCESS;
  cl_kernel kernel = clCreateKernel(program, name, &error);
  if (error != CL_SUCCESS) say("kernel %s: %s", name, error_name(error).c_str());
  clReleaseProgram(program);  // the kernel keeps it
  return kernel;
}

cl_mem Session::buffer(size_t bytes, const void* data) const {
  cl_int error = CL_SUCCESS;
  const cl_mem_flags flags = CL_MEM_READ_WRITE | (data != nullptr ? CL_MEM_COPY_HOST_PTR : 0);
  cl_mem memory = clCreateBuffer(context, flags, bytes, const_cast<void*>(data), &error);
  if (error != CL_SUCCESS) say("buffer of %zu: %s", bytes, error_name(error).c_str());
  return memory;
}

std::vector<cl_uint> Session::words(cl_command_queue from, cl_mem buffer, size_t count) const {
  std::vector<cl_uint> values(count);
  const cl_int error = clEnqueueReadBuffer(from, buffer, CL_TRUE, 0, count * sizeof(cl_uint),
                                           values.data(), 0, nullptr, nullptr);
  if (error != CL_SUCCESS) say("read: %s", error_name(error).c_str());
  return values;
}

}  // namespace flexai::test
