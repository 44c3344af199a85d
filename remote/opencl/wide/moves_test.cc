// Moves over a real driver, each of its devices taken for a host of its own.
#include "remote/opencl/wide/moves.h"

#include <gtest/gtest.h>

#include <numeric>

#include "remote/opencl/wide/table.h"
#include "remote/opencl/worker/granted.h"

namespace flexai::remote::opencl::wide {
namespace {

constexpr const char* kSource =
    "kernel void add(global uint* a, uint n) { a[get_global_id(0)] += n; }"
    "kernel void sum(global const uint* a, global uint* out) {"
    "  size_t i = get_global_id(0); out[i] += a[i]; }";
constexpr size_t kCount = 4096, kBytes = kCount * 4;

// The driver's, counted.
Table g_driver;
std::atomic<size_t> g_made{0}, g_moved{0}, g_pieces{0};
std::atomic<cl_int> g_refuse{CL_SUCCESS};

cl_mem CL_API_CALL make(cl_context context, cl_mem_flags flags, size_t size, void* host,
                        cl_int* code) {
  ++g_made;
  return g_driver.clCreateBuffer(context, flags, size, host, code);
}

cl_int CL_API_CALL read_some(cl_command_queue queue, cl_mem from, cl_bool blocking, size_t offset,
                             size_t size, void* to, cl_uint count, const cl_event* waits,
                             cl_event* event) {
  if (g_refuse != CL_SUCCESS) return g_refuse;
  ++g_pieces;
  g_moved += size;
  return g_driver.clEnqueueReadBuffer(queue, from, blocking, offset, size, to, count, waits, event);
}

const std::vector<cl_device_id>& devices() {
  static const auto found = [] {
    auto granted = grant("/etc/OpenCL/vendors/pocl.icd");
    if (!granted.ok()) return std::vector<cl_device_id>{};
    g_driver = granted->table;
    Table counted = g_driver;
    counted.clCreateBuffer = make;
    counted.clEnqueueReadBuffer = read_some;
    set_below({counted, [](cl_device_id device) -> const void* { return device; }});
    return granted->devices;
  }();
  return found;
}

class WideTest : public testing::Test {
 protected:
  void SetUp() override {
    if (devices().size() < 3) GTEST_SKIP() << "needs POCL_DEVICES with three devices";
    cl_int code = CL_SUCCESS;
    context_ = create_context({}, nullptr, 3, devices().data(), nullptr, nullptr, &code);
    ASSERT_EQ(code, CL_SUCCESS);
    for (size_t i = 0; i < 3; ++i)
      queues_[i] = t().clCreateCommandQueue(context_, devices()[i], 0, nullptr);
    const char* source = kSource;
    program_ = t().clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
    ASSERT_EQ(t().clBuildProgram(program_, 0, nullptr, "-cl-kernel-arg-info", nullptr, nullptr),
              CL_SUCCESS);
    g_made = g_moved = g_pieces = 0;
    g_refuse = CL_SUCCESS;
  }
  void TearDown() override {
    if (context_ == nullptr) return;
    t().clReleaseProgram(program_);
    for (cl_command_queue queue : queues_) t().clReleaseCommandQueue(queue);
    EXPECT_EQ(t().clReleaseContext(context_), CL_SUCCESS);
  }
  static const Table& t() { return wide_table(); }

  cl_mem buffer(size_t size = kBytes) {
    return t().clCreateBuffer(context_, 0, size, nullptr, nullptr);
  }
  void write(size_t on, cl_mem to, const std::vector<cl_uint>& values) {
    ASSERT_EQ(t().clEnqueueWriteBuffer(queues_[on], to, CL_TRUE, 0, values.size() * 4,
                                       values.data(), 0, nullptr, nullptr),
              CL_SUCCESS);
  }
  std::vector<cl_uint> read(size_t on, cl_mem from, size_t count) {
    std::vector<cl_uint> values(count);
    EXPECT_EQ(t().clEnqueueReadBuffer(queues_[on], from, CL_TRUE, 0, count * 4, values.data(), 0,
                                      nullptr, nullptr),
              CL_SUCCESS);
    return values;
  }
  cl_int launch(size_t on, cl_kernel kernel, cl_event* event = nullptr) {
    return t().clEnqueueNDRangeKernel(queues_[on], kernel, 1, nullptr, &kCount, nullptr, 0, nullptr,
                                      event);
  }
  static std::vector<cl_uint> row(size_t count) {
    std::vector<cl_uint> values(count);
    std::iota(values.begin(), values.end(), 1u);
    return values;
  }

  cl_context context_ = nullptr;
  cl_command_queue queues_[3] = {};
  cl_program program_ = nullptr;
};

TEST_F(WideTest, MemoryIsMadeWhereItIsUsed) {
  cl_mem data = buffer();
  EXPECT_EQ(g_made, 0u);
  write(1, data, row(kCount));
  EXPECT_EQ(g_made, 1u);
  EXPECT_EQ(g_moved, 0u);
  EXPECT_EQ(read(2, data, kCount), row(kCount));
  EXPECT_EQ(g_made, 2u);
  t().clReleaseMemObject(data);
}

TEST_F(WideTest, WhatIsOnlyReadMovesOnce) {
  cl_mem in = buffer();
  write(0, in, row(kCount));
  cl_mem out[3] = {buffer(), buffer(), buffer()};
  cl_kernel sum = t().clCreateKernel(program_, "sum", nullptr);
  for (size_t i = 0; i < 3; ++i) write(i, out[i], std::vector<cl_uint>(kCount));
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 3; ++i) {
      t().clSetKernelArg(sum, 0, sizeof in, &in);
      t().clSetKernelArg(sum, 1, sizeof out[i], &out[i]);
      ASSERT_EQ(launch(i, sum), CL_SUCCESS);
    }
    for (cl_command_queue queue : queues_) t().clFinish(queue);
    EXPECT_EQ(g_moved, 2 * kBytes) << "round " << round;
  }
  EXPECT_EQ(read(2, out[2], kCount)[9], 30u);
  t().clReleaseKernel(sum);
  t().clReleaseMemObject(in);
  for (cl_mem each : out) t().clReleaseMemObject(each);
}

TEST_F(WideTest, PartsMoveAlone) {
  cl_mem whole = buffer();
  write(0, whole, row(kCount));
  const cl_buffer_region region{kBytes / 2, kBytes / 4};
  cl_mem part = t().clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, nullptr);
  cl_kernel add = t().clCreateKernel(program_, "add", nullptr);
  const cl_uint by = 100;
  t().clSetKernelArg(add, 0, sizeof part, &part);
  t().clSetKernelArg(add, 1, sizeof by, &by);
  const size_t size = kCount / 4;
  ASSERT_EQ(
      t().clEnqueueNDRangeKernel(queues_[1], add, 1, nullptr, &size, nullptr, 0, nullptr, nullptr),
      CL_SUCCESS);
  t().clFinish(queues_[1]);
  EXPECT_EQ(g_moved, kBytes / 4);
  const auto values = read(0, whole, kCount);
  EXPECT_EQ(values[kCount / 2 - 1], kCount / 2);
  EXPECT_EQ(values[kCount / 2], kCount / 2 + 101);
  EXPECT_EQ(values[kCount * 3 / 4], kCount * 3 / 4 + 1);
  t().clReleaseKernel(add);
  t().clReleaseMemObject(part);
  t().clReleaseMemObject(whole);
}

TEST_F(WideTest, MuchMovesInPieces) {
  constexpr size_t kMany = 9u << 18;  // 9 MiB
  cl_mem data = buffer(kMany * 4);
  write(0, data, row(kMany));
  ASSERT_EQ(t().clEnqueueMigrateMemObjects(queues_[1], 1, &data, 0, 0, nullptr, nullptr),
            CL_SUCCESS);
  t().clFinish(queues_[1]);
  EXPECT_EQ(g_pieces, 3u);
  EXPECT_EQ(read(1, data, kMany), row(kMany));
  EXPECT_EQ(g_pieces, 4u);  // the program's own
  t().clReleaseMemObject(data);
}

TEST_F(WideTest, AHostThatRefusesIsAnErrorOfTheCall) {
  cl_mem data = buffer();
  write(0, data, row(kCount));
  cl_kernel add = t().clCreateKernel(program_, "add", nullptr);
  const cl_uint by = 1;
  t().clSetKernelArg(add, 0, sizeof data, &data);
  t().clSetKernelArg(add, 1, sizeof by, &by);
  g_refuse = CL_DEVICE_NOT_AVAILABLE;
  EXPECT_EQ(launch(1, add), CL_DEVICE_NOT_AVAILABLE);
  g_refuse = CL_SUCCESS;
  EXPECT_EQ(launch(1, add), CL_SUCCESS);
  EXPECT_EQ(read(2, data, 1)[0], 2u);
  t().clReleaseKernel(add);
  t().clReleaseMemObject(data);
}

TEST_F(WideTest, AnArgumentThatWasReleasedIsNoMemoryObject) {
  cl_mem data = buffer();
  cl_kernel add = t().clCreateKernel(program_, "add", nullptr);
  const cl_uint by = 1;
  t().clSetKernelArg(add, 0, sizeof data, &data);
  t().clSetKernelArg(add, 1, sizeof by, &by);
  t().clReleaseMemObject(data);
  EXPECT_EQ(launch(1, add), CL_INVALID_MEM_OBJECT);
  t().clReleaseKernel(add);
}

TEST_F(WideTest, DevicesOfOneHostAreNotWide) {
  const cl_device_id same[2] = {devices()[1], devices()[1]};
  EXPECT_FALSE(are_wide(2, same));
  EXPECT_TRUE(are_wide(3, devices().data()));
  EXPECT_FALSE(are_wide(0, nullptr));
}

}  // namespace
}  // namespace flexai::remote::opencl::wide
