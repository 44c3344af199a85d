#include "driver/opencl/trace.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace flexai::driver::opencl {
namespace {

cl_int CL_API_CALL platforms(cl_uint, cl_platform_id*, cl_uint* count) {
  if (count == nullptr) return CL_INVALID_VALUE;
  *count = 2;
  return CL_SUCCESS;
}

TEST(Trace, PrintsEachCallAndPassesItOn) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Table next;
  next.clGetPlatformIDs = platforms;
  const Table table = trace(next, ends[1]);
  EXPECT_EQ(table.clFinish, nullptr);
  cl_uint count = 0;
  EXPECT_EQ(table.clGetPlatformIDs(0, nullptr, &count), CL_SUCCESS);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(table.clGetPlatformIDs(0, nullptr, nullptr), CL_INVALID_VALUE);
  close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<size_t>(read(ends[0], text.data(), text.size())));
  close(ends[0]);
  EXPECT_NE(text.find("clGetPlatformIDs(num_entries=0, platforms=null, num_platforms=0x"),
            std::string::npos);
  EXPECT_NE(text.find(") = 0, *num_platforms=2\n"), std::string::npos);
  EXPECT_NE(text.find("num_platforms=null) = -30\n"), std::string::npos);
}

cl_int CL_API_CALL retain(cl_command_buffer_khr) { return CL_INVALID_OPERATION; }
cl_int CL_API_CALL other_retain(cl_command_buffer_khr) { return CL_SUCCESS; }

void* CL_API_CALL find(cl_platform_id platform, const char* name) {
  if (std::string(name) != "clRetainCommandBufferKHR") return nullptr;
  return reinterpret_cast<void*>(platform == nullptr ? retain : other_retain);
}

TEST(Trace, PrintsCallsOfFunctionsFoundByName) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Table next;
  next.clGetExtensionFunctionAddressForPlatform = find;
  const Table table = trace(next, ends[1]);
  auto ask = [&](cl_platform_id platform, const char* name) {
    return reinterpret_cast<cl_int(CL_API_CALL*)(cl_command_buffer_khr)>(
        table.clGetExtensionFunctionAddressForPlatform(platform, name));
  };
  EXPECT_EQ(ask(nullptr, "clNothing"), nullptr);
  auto found = ask(nullptr, "clRetainCommandBufferKHR");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found(nullptr), CL_INVALID_OPERATION);
  // Another platform's function is not mistaken for the first one's.
  auto other = ask(reinterpret_cast<cl_platform_id>(&ends), "clRetainCommandBufferKHR");
  EXPECT_EQ(other(nullptr), CL_SUCCESS);
  close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<size_t>(read(ends[0], text.data(), text.size())));
  close(ends[0]);
  EXPECT_NE(text.find("clRetainCommandBufferKHR(command_buffer=null) = -59\n"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace flexai::driver::opencl
