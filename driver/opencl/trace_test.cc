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

}  // namespace
}  // namespace flexai::driver::opencl
