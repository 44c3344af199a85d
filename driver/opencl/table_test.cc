#include "driver/opencl/table.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace flexai::driver::opencl {
namespace {

cl_int CL_API_CALL finish(cl_command_queue) { return 42; }

TEST(Table, TakesOnlyTheEntriesTheDriverSaysItHas) {
  cl_icd_dispatch dispatch{};
  dispatch.clFinish = finish;  // slot 47
  dispatch.clEnqueueReadBuffer = nullptr;
  dispatch.clSetContextDestructorCallback = [](cl_context, auto...) -> cl_int { return 1; };
  EXPECT_EQ(table_from_dispatch(&dispatch, 48).clFinish, finish);
  EXPECT_EQ(table_from_dispatch(&dispatch, 47).clFinish, nullptr);
  EXPECT_EQ(table_from_dispatch(&dispatch, 148).clSetContextDestructorCallback, nullptr);
  EXPECT_NE(table_from_dispatch(&dispatch, kDispatchEntries).clSetContextDestructorCallback,
            nullptr);
  EXPECT_EQ(table_from_dispatch(nullptr, kDispatchEntries).clFinish, nullptr);
}

TEST(Table, GoesToADispatchTableAndBack) {
  Table table;
  table.clFinish = finish;
  const cl_icd_dispatch dispatch = dispatch_from_table(table);
  EXPECT_EQ(dispatch.clFinish, finish);
  EXPECT_EQ(dispatch.clFlush, nullptr);
  EXPECT_EQ(table_from_dispatch(&dispatch, kDispatchEntries).clFinish, finish);
}

TEST(Table, KnowsHowLongTheTableOfEachVersionIs) {
  EXPECT_EQ(dispatch_entries(0, 9), 0u);
  EXPECT_EQ(dispatch_entries(1, 0), 66u);
  EXPECT_EQ(dispatch_entries(1, 2), 108u);
  EXPECT_EQ(dispatch_entries(2, 0), 136u);
  EXPECT_EQ(dispatch_entries(3, 0), kDispatchEntries);
  EXPECT_EQ(dispatch_entries(3, 1), kDispatchEntries);
}

cl_int CL_API_CALL enqueue_buffer(cl_uint, cl_command_queue*, cl_command_buffer_khr, cl_uint,
                                  const cl_event*, cl_event*) {
  return 7;
}

TEST(Table, LoadsExtensionsByNameFromThePlatform) {
  Table table;
  table.clGetExtensionFunctionAddressForPlatform = [](cl_platform_id, const char* name) -> void* {
    return std::string_view(name) == "clEnqueueCommandBufferKHR"
               ? reinterpret_cast<void*>(enqueue_buffer)
               : nullptr;
  };
  load_extensions(&table, nullptr);
  EXPECT_EQ(table.clEnqueueCommandBufferKHR, enqueue_buffer);
  EXPECT_EQ(table.clCreateCommandBufferKHR, nullptr);
}

}  // namespace
}  // namespace flexai::driver::opencl
