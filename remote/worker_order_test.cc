#include "remote/worker_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace flexai::remote {
namespace {

using base::Code;
using base::fail;
using base::Fd;
using base::kSecond;
using testing::HasSubstr;

class OrderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(folder_), nullptr);
    path_ = std::string(folder_) + "/orders";
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_);
  }
  std::unique_ptr<OrderDoor> open(OrderDoor::CarryOut carry_out) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    Fd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 8), 0);
    return OrderDoor::open(std::move(listener), std::move(carry_out)).value();
  }
  char folder_[32] = "/tmp/flexai-order-XXXXXX";
  std::string path_;
};

TEST_F(OrderTest, IsCarriedOutAndAnswered) {
  auto door = open([](WorkerOrder order) -> base::Result<uint64_t> {
    EXPECT_EQ(order.word, OrderWord::kSwapOut);
    EXPECT_EQ(order.patience, 3 * kSecond);
    EXPECT_TRUE(order.file.valid());
    EXPECT_EQ(::write(order.file.get(), "x", 1), 1);
    return 4711;
  });
  char name[] = "/tmp/flexai-order-file-XXXXXX";
  Fd file(::mkstemp(name));
  ::unlink(name);
  auto moved =
      order_worker(path_, {OrderWord::kSwapOut, 3 * kSecond, file.duplicate().value()}, kSecond);
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  EXPECT_EQ(*moved, 4711u);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), 1);
}

TEST_F(OrderTest, AnErrorComesAsItWasSaid) {
  auto door = open([](WorkerOrder) -> base::Result<uint64_t> {
    return fail(Code::kExhausted, "no room " + std::string(2000, 'x'));
  });
  auto moved = order_worker(path_, {OrderWord::kSwapIn, 0, {}}, kSecond);
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().code, Code::kExhausted);
  EXPECT_THAT(moved.error().message, HasSubstr("no room"));
}

TEST_F(OrderTest, ANobodyIsNotWaitedFor) {
  EXPECT_EQ(order_worker(path_, {OrderWord::kSwapIn, 0, {}}, kSecond).error().code,
            Code::kNotFound);
}

TEST_F(OrderTest, RubbishIsDroppedAndTheDoorStaysOpen) {
  int orders = 0;
  auto door = open([&](WorkerOrder) -> base::Result<uint64_t> { return ++orders; });
  for (const std::string text : {"", "\x01", "\x02\x01zzzz", "\x01\x09zzzz", "\x01\x01zzzz more"}) {
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (text.empty()) continue;
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), 0), ssize_t(text.size()));
  }
  EXPECT_EQ(*order_worker(path_, {OrderWord::kSwapIn, 0, {}}, 5 * kSecond), 1u);
  EXPECT_EQ(orders, 1);
}

TEST_F(OrderTest, AWorkerThatDoesNotAnswerIsNotWaitedForForEver) {
  std::atomic<bool> go{false};
  auto door = open([&](WorkerOrder) -> base::Result<uint64_t> {
    while (!go) ::usleep(1000);
    return 0;
  });
  auto moved = order_worker(path_, {OrderWord::kSwapIn, 0, {}}, kSecond / 10);
  EXPECT_EQ(moved.error().code, Code::kTimeout);
  go = true;
}

}  // namespace
}  // namespace flexai::remote
