// Nothing of a session is left in the memory of its devices: on a real driver.
#include "remote/opencl/worker/scrub.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "remote/opencl/worker/granted.h"

namespace flexai::remote::opencl {
namespace {

class ScrubTest : public testing::Test {
 protected:
  void SetUp() override {
    auto granted = grant("");
    if (!granted.ok()) GTEST_SKIP() << granted.error().message;
    granted_ = std::move(*granted);
    context_ =
        table().clCreateContext(nullptr, 1, granted_.devices.data(), nullptr, nullptr, &code_);
    queue_ = table().clCreateCommandQueue(context_, granted_.devices[0], 0, &code_);
    ASSERT_EQ(code_, CL_SUCCESS);
  }
  void TearDown() override {
    if (context_ == nullptr) return;
    table().clReleaseCommandQueue(queue_);
    table().clReleaseContext(context_);
  }
  const driver::opencl::Table& table() const { return granted_.table; }

  Granted granted_;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_int code_ = CL_SUCCESS;
};

TEST_F(ScrubTest, BuffersAndImagesAreZeroAfterwards) {
  std::array<unsigned char, 4097> secret;
  secret.fill(0xa5);
  cl_mem buffer = table().clCreateBuffer(context_, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                                         secret.size(), secret.data(), &code_);
  ASSERT_EQ(code_, CL_SUCCESS);
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 32;
  desc.image_height = 16;
  cl_mem image = table().clCreateImage(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, &format,
                                       &desc, secret.data(), &code_);
  ASSERT_EQ(code_, CL_SUCCESS);
  const std::array<cl_mem, 2> both{buffer, image};
  EXPECT_EQ(scrub(table(), {}, both, Scrubbed::kAllDevices), 0u);
  std::array<unsigned char, 4097> found = secret;
  ASSERT_EQ(table().clEnqueueReadBuffer(queue_, buffer, CL_TRUE, 0, found.size(), found.data(), 0,
                                        nullptr, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(std::count(found.begin(), found.end(), 0), 4097);
  found = secret;
  const size_t origin[3] = {}, region[3] = {32, 16, 1};
  ASSERT_EQ(table().clEnqueueReadImage(queue_, image, CL_TRUE, origin, region, 0, 0, found.data(),
                                       0, nullptr, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(std::count(found.begin(), found.begin() + 2048, 0), 2048);
  table().clReleaseMemObject(buffer);
  table().clReleaseMemObject(image);
}

TEST_F(ScrubTest, WhatTheQueuesHoldIsDoneBefore) {
  constexpr size_t kBytes = 8u << 20;
  const std::vector<unsigned char> secret(kBytes, 1);
  std::vector<unsigned char> found = secret;
  cl_mem buffer = table().clCreateBuffer(context_, 0, kBytes, nullptr, &code_);
  for (int i = 0; i < 4; ++i)
    ASSERT_EQ(table().clEnqueueWriteBuffer(queue_, buffer, CL_FALSE, 0, kBytes, secret.data(), 0,
                                           nullptr, nullptr),
              CL_SUCCESS);
  EXPECT_EQ(scrub(table(), {&queue_, 1}, {&buffer, 1}, Scrubbed::kAllDevices), 0u);
  table().clEnqueueReadBuffer(queue_, buffer, CL_TRUE, 0, kBytes, found.data(), 0, nullptr,
                              nullptr);
  EXPECT_EQ(std::count(found.begin(), found.end(), 0), static_cast<long>(kBytes));
  table().clReleaseMemObject(buffer);
}

}  // namespace
}  // namespace flexai::remote::opencl
