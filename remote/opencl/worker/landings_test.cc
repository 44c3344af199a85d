// Bytes that come straight from another host, into buffers of a real driver.
#include "remote/opencl/worker/landings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "remote/opencl/worker/drain.h"
#include "remote/opencl/worker/granted.h"
#include "remote/opencl/worker/worker.h"
#include "wire/session_fixture.h"

namespace flexai::remote::opencl {
namespace {

constexpr size_t kBytes = 1u << 20;

MoveTicket ticket(int number) {
  MoveTicket made{};
  made[3] = static_cast<std::byte>(number);
  return made;
}

class LandingsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto client = wire::Session::connect(host_.connector(), wire::test_options());
    ASSERT_TRUE(client.ok());
    client_ = std::move(client).value();
    session_ = host_.session();
    auto granted = grant("/etc/OpenCL/vendors/pocl.icd");
    if (!granted.ok()) GTEST_SKIP() << granted.error().message;
    cl_device_id device = granted->devices[0];
    worker_ = Worker::make(*session_, std::move(*granted)).value();
    context_ = table().clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
    queue_ = table().clCreateCommandQueue(context_, device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
                                          nullptr);
    keep(kContext, context_);
    keep(kCommandQueue, queue_);
    const std::vector<std::byte> old(kBytes, std::byte{1});
    buffer_ = table().clCreateBuffer(context_, CL_MEM_COPY_HOST_PTR, kBytes,
                                     const_cast<std::byte*>(old.data()), nullptr);
    keep(kMem, buffer_);
  }
  void TearDown() override {
    if (worker_ != nullptr) landings().forget_all();
    // First: the worker's end waits for what is being told to a client that does not read.
    if (client_ != nullptr) client_->close(base::monotonic_now() + base::kSecond);
    worker_.reset();
  }

  const Table& table() { return worker_->table(); }
  Landings& landings() { return worker_->landings(); }
  void keep(Kind kind, void* object) {
    ASSERT_TRUE(worker_->handles().add(make_id(++last_, 1), kind, object).ok());
  }
  cl_int expect(size_t offset, size_t size, const MoveTicket& shown) {
    Incoming call(*worker_, {});
    return landings().expect(call, {queue_, buffer_, offset, size}, shown, make_id(++last_, 1));
  }
  // As a link does it.
  base::Status come(const MoveTicket& shown, size_t size, std::byte value) {
    auto place = landings().open(shown, size);
    if (!place.ok()) return place.error();
    EXPECT_EQ(place->size(), size);
    std::memset(place->data(), std::to_integer<int>(value), place->size());
    return landings().close(shown, true);
  }
  std::vector<std::byte> bytes() {
    std::vector<std::byte> all(kBytes);
    EXPECT_EQ(table().clEnqueueReadBuffer(queue_, buffer_, CL_TRUE, 0, kBytes, all.data(), 0,
                                          nullptr, nullptr),
              CL_SUCCESS);
    return all;
  }

  wire::TestHost host_;
  std::unique_ptr<wire::Session> client_;
  std::shared_ptr<wire::Session> session_;
  std::unique_ptr<Worker> worker_;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_mem buffer_ = nullptr;
  uint32_t last_ = 0;
};

TEST_F(LandingsTest, BytesLandInTheirRangeAlone) {
  ASSERT_EQ(expect(4096, 8192, ticket(1)), CL_SUCCESS);
  ASSERT_TRUE(come(ticket(1), 8192, std::byte{7}).ok());
  const auto all = bytes();
  EXPECT_EQ(all[4095], std::byte{1});
  EXPECT_EQ(all[4096], std::byte{7});
  EXPECT_EQ(all[4096 + 8191], std::byte{7});
  EXPECT_EQ(all[4096 + 8192], std::byte{1});
}

TEST_F(LandingsTest, ATicketIsGoodOnceForItsSize) {
  ASSERT_EQ(expect(0, 4096, ticket(1)), CL_SUCCESS);
  EXPECT_NE(expect(8192, 4096, ticket(1)), CL_SUCCESS);
  EXPECT_FALSE(come(ticket(1), 4095, std::byte{7}).ok());
  EXPECT_FALSE(come(ticket(1), 1u << 19, std::byte{7}).ok());
  EXPECT_TRUE(come(ticket(1), 4096, std::byte{7}).ok());
  EXPECT_FALSE(come(ticket(1), 4096, std::byte{8}).ok());
  EXPECT_NE(expect(0, 4096, ticket(1)), CL_SUCCESS);
  EXPECT_EQ(bytes()[0], std::byte{7});
}

TEST_F(LandingsTest, WhatIsForgottenIsRefusedAtOnce) {
  ASSERT_EQ(expect(0, 4096, ticket(1)), CL_SUCCESS);
  landings().forget(ticket(1));
  EXPECT_FALSE(come(ticket(1), 4096, std::byte{7}).ok());
  EXPECT_EQ(bytes()[0], std::byte{1});
}

// One that the client has told and that has not been read yet.
TEST_F(LandingsTest, ATicketOnItsWayIsWaitedFor) {
  std::thread bytes_first([this] { EXPECT_TRUE(come(ticket(1), 4096, std::byte{7}).ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(expect(0, 4096, ticket(1)), CL_SUCCESS);
  bytes_first.join();
  EXPECT_EQ(bytes()[0], std::byte{7});
}

TEST_F(LandingsTest, WhatDidNotComeWholeIsSaid) {
  ASSERT_EQ(expect(0, 4096, ticket(1)), CL_SUCCESS);
  ASSERT_TRUE(landings().open(ticket(1), 4096).ok());
  EXPECT_FALSE(landings().close(ticket(1), false).ok());
  EXPECT_FALSE(landings().close(ticket(1), true).ok());
}

// Nothing stands in the way of the objects' being taken as a whole.
TEST_F(LandingsTest, DrainingDoesNotWaitForBytes) {
  ASSERT_EQ(expect(0, 4096, ticket(1)), CL_SUCCESS);
  ASSERT_EQ(expect(8192, 4096, ticket(2)), CL_SUCCESS);
  ASSERT_TRUE(drain(*worker_, base::monotonic_now() + 5 * base::kSecond).ok());
  EXPECT_FALSE(come(ticket(1), 4096, std::byte{7}).ok());
  EXPECT_FALSE(come(ticket(2), 4096, std::byte{7}).ok());
}

TEST_F(LandingsTest, NoMoreThanMayBe) {
  for (size_t i = 0; i < Landings::kMost; ++i) {
    MoveTicket many{};
    many[0] = static_cast<std::byte>(i % 256);
    many[1] = static_cast<std::byte>(i / 256);
    many[2] = std::byte{1};
    ASSERT_EQ(expect(i * 16, 16, many), CL_SUCCESS);
  }
  EXPECT_NE(expect(0, 16, ticket(1)), CL_SUCCESS);
}

}  // namespace
}  // namespace flexai::remote::opencl
