#include "limit/attach.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

namespace flexai::limit {
namespace {

using base::Code;
using base::Fd;

// A socket whose name is there, as that of an agent that was killed.
class Attach : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/flexai-attach-XXXXXX";
    folder_ = ::mkdtemp(folder);
    path_ = folder_ + "/attach.sock";
    request_.magic = kAttachMagic;
    request_.version = kAttachVersion;
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  Fd bound() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  base::Error asked() {
    Fd connection;
    auto attached = attach_when_back(path_, request_, &connection);
    EXPECT_FALSE(attached.ok());
    return attached.ok() ? base::fail(Code::kInternal, "attached") : attached.error();
  }

  std::string folder_, path_;
  AttachRequest request_{};
};

TEST_F(Attach, AnAgentThatStartsAgainIsWaitedForEvenIfItIsKilledOnceMore) {
  const Fd listener = bound();
  std::thread agent([&] {
    ::usleep(200'000);
    ::listen(listener.get(), 4);
    Fd(::accept(listener.get(), nullptr, nullptr));  // and closed
    const Fd second(::accept(listener.get(), nullptr, nullptr));
    EXPECT_TRUE(read_attach_request(second.get()).ok());
    EXPECT_TRUE(send_attach_refusal(second.get(), base::fail(Code::kDenied, "not yours")).ok());
  });
  const base::Error why = asked();
  agent.join();
  EXPECT_EQ(why.message, "not yours");
  EXPECT_EQ(why.code, Code::kDenied);
}

TEST_F(Attach, OneThatWasNeverThereIsNot) { EXPECT_EQ(asked().code, Code::kNotFound); }

TEST_F(Attach, OneThatHasATenantAlreadyAsksOnce) {
  const Fd listener = bound();
  Fd connection;
  const auto attached = attach(path_, request_, &connection);
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace flexai::limit
