#include "limit/opencl/entries.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace flexai::limit::opencl {
namespace {

cl_int CL_API_CALL finish(cl_command_queue) { return 42; }
cl_int CL_API_CALL retain(cl_event) { return 43; }
cl_mem CL_API_CALL from_gl(cl_context, cl_mem_flags, cl_GLuint, cl_int*) { return nullptr; }
cl_int CL_API_CALL gl_info(cl_mem, cl_gl_object_type*, cl_GLuint*) { return CL_SUCCESS; }

TEST(Entries, WrapReplacesCustomPassesHarmlessAndRefusesTheRest) {
  Table next;
  next.clFinish = finish;
  next.clRetainEvent = retain;
  next.clCreateFromGLBuffer = from_gl;
  next.clGetGLObjectInfo = gl_info;
  const Table table = wrap(next);
  EXPECT_EQ(table.clFinish, limit_clFinish);
  EXPECT_EQ(table.clRetainEvent, retain);
  cl_int error = CL_SUCCESS;
  EXPECT_EQ(table.clCreateFromGLBuffer(nullptr, 0, 0, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_OPERATION);
  EXPECT_EQ(table.clCreateFromGLBuffer(nullptr, 0, 0, nullptr), nullptr);
  EXPECT_EQ(table.clGetGLObjectInfo(nullptr, nullptr, nullptr), CL_INVALID_OPERATION);
}

TEST(Entries, WhatTheDriverLacksStaysNull) {
  const Table table = wrap(Table{});
  const cl_icd_dispatch dispatch = driver::opencl::dispatch_from_table(table);
  const cl_icd_dispatch empty{};
  EXPECT_EQ(std::memcmp(&dispatch, &empty, sizeof(empty)), 0);
  EXPECT_EQ(table.clEnqueueCommandBufferKHR, nullptr);
}

TEST(Entries, ExtensionPointersAreClosedByDefault) {
  EXPECT_EQ(extension_entry("clFancyNewEntryKHR").action, ExtensionAction::kRefuse);
  EXPECT_EQ(extension_entry("").action, ExtensionAction::kRefuse);
  EXPECT_EQ(extension_entry(nullptr).action, ExtensionAction::kRefuse);
  EXPECT_EQ(extension_entry("clIcdGetPlatformIDsKHR").action, ExtensionAction::kRefuse);
  EXPECT_EQ(extension_entry("clGetGLContextInfoKHR").action, ExtensionAction::kRefuse);
  EXPECT_EQ(extension_entry("clRetainCommandBufferKHR").action, ExtensionAction::kPass);
  const ExtensionEntry buffer = extension_entry("clEnqueueCommandBufferKHR");
  EXPECT_EQ(buffer.action, ExtensionAction::kWrap);
  EXPECT_EQ(buffer.wrapper, reinterpret_cast<void*>(limit_clEnqueueCommandBufferKHR));
  const ExtensionEntry core = extension_entry("clEnqueueNDRangeKernel");
  EXPECT_EQ(core.action, ExtensionAction::kWrap);
  EXPECT_EQ(core.wrapper, reinterpret_cast<void*>(limit_clEnqueueNDRangeKernel));
}

TEST(Entries, EveryEntryIsFoundByNameWithItsOwnAction) {
  for (const EntryInfo& info : kEntryInfo) {
    const ExtensionEntry found = extension_entry(info.name);
    EXPECT_EQ(found.action == ExtensionAction::kRefuse, info.action == Action::kRefuse)
        << info.name;
    EXPECT_EQ(found.action == ExtensionAction::kWrap, info.action == Action::kCustom) << info.name;
    EXPECT_EQ(found.wrapper != nullptr, info.action == Action::kCustom) << info.name;
  }
}

TEST(Entries, WhateverRunsOnTheCardIsMeteredAndWrapped) {
  std::set<std::string_view> unmetered = {
      "clEnqueueMarker",  "clEnqueueWaitForEvents",      "clEnqueueBarrier",
      "clEnqueueSVMFree", "clEnqueueMarkerWithWaitList", "clEnqueueBarrierWithWaitList"};
  for (const EntryInfo& info : kEntryInfo) {
    if (std::strncmp(info.name, "clEnqueue", 9) != 0 || info.action == Action::kRefuse) continue;
    EXPECT_EQ(info.action, Action::kCustom) << info.name;
    EXPECT_EQ(info.meter == Meter::kNone, unmetered.contains(info.name)) << info.name;
  }
}

TEST(Entries, HidesExtensionsThatOpenUncountedMemory) {
  EXPECT_TRUE(extension_hidden("cl_khr_gl_sharing"));
  EXPECT_TRUE(extension_hidden("cl_khr_external_memory"));
  EXPECT_FALSE(extension_hidden("cl_khr_command_buffer"));
  EXPECT_FALSE(extension_hidden("cl_khr_fp64"));
  EXPECT_FALSE(extension_hidden(nullptr));
}

}  // namespace
}  // namespace flexai::limit::opencl
