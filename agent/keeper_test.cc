#include "agent/keeper.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "agent/keeper_socket.h"
#include "agent/process.h"
#include "agent/shared_pages.h"
#include "limit/layout.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::Fd;

constexpr base::Nanos kIdle = 200 * base::kMillisecond;

class KeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/keeper_test_XXXXXX";
    folder_ = ::mkdtemp(path);
  }
  void TearDown() override {
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  // The keeper's side in a process of its own, as it runs in reality.
  void serve(base::Nanos lone = 60 * base::kSecond) {
    server_ = ::fork();
    if (server_ == 0) ::_exit(serve_keeper(folder_, {kIdle, lone}).ok() ? 0 : 1);
  }
  Keeper connect() {
    for (int i = 0; i < 250; ++i) {
      auto keeper = Keeper::connect(folder_, {});
      if (keeper.ok()) return std::move(keeper).value();
      ::usleep(20000);
    }
    ADD_FAILURE() << "no keeper";
    abort();
  }
  bool exits_by_itself() {
    for (int i = 0; i < 250; ++i) {
      int status = 0;
      if (::waitpid(server_, &status, WNOHANG) == server_) {
        server_ = -1;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
      }
      ::usleep(20000);
    }
    return false;
  }
  Fd raw() {
    auto where = keeper_address(folder_);
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&where->address),
                        sizeof where->address),
              0);
    return fd;
  }

  std::string folder_;
  pid_t server_ = -1;
};

TEST_F(KeeperTest, HoldsWhatTheAgentPutWhenTheAgentIsKilled) {
  serve();
  pid_t agent = ::fork();
  if (agent == 0) {
    Keeper keeper = connect();
    auto file = base::make_memfd("kept", 4096);
    [[maybe_unused]] ssize_t n = ::pwrite(file->get(), "still here", 10, 0);
    if (!keeper.put("slice-7", file->get()).ok()) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(agent, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  Keeper keeper = connect();
  EXPECT_THAT(*keeper.list(), testing::ElementsAre("slice-7"));
  auto file = keeper.get("slice-7");
  ASSERT_TRUE(file.ok());
  char text[11] = {};
  EXPECT_EQ(::pread(file->get(), text, 10, 0), 10);
  EXPECT_STREQ(text, "still here");
}

TEST_F(KeeperTest, NamesAreKeptApart) {
  serve();
  Keeper keeper = connect();
  Fd a(::eventfd(5, EFD_CLOEXEC)), b(::eventfd(6, EFD_CLOEXEC));
  EXPECT_TRUE(keeper.put("a", a.get()).ok());
  EXPECT_TRUE(keeper.put("b", b.get()).ok());
  EXPECT_EQ(keeper.put("a", b.get()).error().code, Code::kConflict);
  EXPECT_EQ(keeper.get("c").error().code, Code::kNotFound);
  EXPECT_EQ(keeper.drop("c").error().code, Code::kNotFound);
  auto got = keeper.get("a");
  ASSERT_TRUE(got.ok());
  eventfd_t value = 0;
  ::eventfd_read(got->get(), &value);
  EXPECT_EQ(value, 5u);
  EXPECT_TRUE(keeper.drop("a").ok());
  EXPECT_THAT(*keeper.list(), testing::ElementsAre("b"));
}

TEST_F(KeeperTest, RefusesBadNames) {
  serve();
  Keeper keeper = connect();
  Fd fd(::eventfd(0, EFD_CLOEXEC));
  EXPECT_EQ(keeper.put("", fd.get()).error().code, Code::kInvalid);
  EXPECT_EQ(keeper.put(std::string(128, 'x'), fd.get()).error().code, Code::kInvalid);
  EXPECT_TRUE(keeper.put(std::string(127, 'x'), fd.get()).ok());
  EXPECT_EQ(keeper.put("no descriptor", -1).error().code, Code::kInvalid);
  EXPECT_THAT(*keeper.list(), testing::ElementsAre(std::string(127, 'x')));
}

TEST_F(KeeperTest, HoldsFourThousandAndNoMore) {
  serve();
  Keeper keeper = connect();
  Fd fd(::eventfd(0, EFD_CLOEXEC));
  for (uint32_t i = 0; i < kKeeperMaxHeld; ++i)
    ASSERT_TRUE(keeper.put("fd-" + std::to_string(i), fd.get()).ok()) << i;
  EXPECT_EQ(keeper.put("one more", fd.get()).error().code, Code::kExhausted);
  EXPECT_EQ(keeper.list()->size(), kKeeperMaxHeld);
}

TEST_F(KeeperTest, SurvivesRubbish) {
  serve();
  Keeper keeper = connect();
  Fd kept(::eventfd(1, EFD_CLOEXEC));
  ASSERT_TRUE(keeper.put("kept", kept.get()).ok());
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    Fd connection = raw();
    char bytes[2 * sizeof(KeeperRequest)];
    for (char& byte : bytes) byte = static_cast<char>(random());
    size_t size = random() % sizeof bytes;
    KeeperRequest request{kKeeperMagic, static_cast<KeeperOp>(random() % 8), 0, {}};
    request.from = static_cast<uint32_t>(random());
    if (round % 2 == 0) {  // well-formed outside, rubbish inside: a name that never ends
      memcpy(bytes, &request, sizeof request);
      memset(bytes + offsetof(KeeperRequest, name), 'x', sizeof request.name);
      size = sizeof request;
    }
    send_with_fd(connection.get(), bytes, size, round % 3 == 0 ? kept.get() : -1);
  }
  auto names = keeper.list();
  ASSERT_TRUE(names.ok());
  EXPECT_THAT(*names, testing::ElementsAre("kept"));
}

TEST_F(KeeperTest, SocketIsPrivate) {
  serve();
  Keeper keeper = connect();
  struct stat st {};
  ASSERT_EQ(::stat((folder_ + "/keeper.sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(KeeperTest, OneKeeperAFolder) {
  serve();
  Keeper keeper = connect();
  auto second = serve_keeper(folder_, {kIdle, kIdle});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_TRUE(keeper.list().ok());  // and the first one's socket is still there
  EXPECT_TRUE(Keeper::connect(folder_, {}).ok());
}

TEST_F(KeeperTest, LeavesWhenOfNoMoreUse) {
  serve();
  {
    Keeper keeper = connect();
    Fd fd(::eventfd(0, EFD_CLOEXEC));
    ASSERT_TRUE(keeper.put("x", fd.get()).ok());
  }
  ::usleep(600000);
  EXPECT_EQ(::waitpid(server_, nullptr, WNOHANG), 0) << "left although it held something";
  { EXPECT_TRUE(connect().drop("x").ok()); }
  EXPECT_TRUE(exits_by_itself());
  EXPECT_EQ(Keeper::connect(folder_, {}).error().code, Code::kUnavailable);
}

// An agent that was killed and never comes back. Programs go on with the pages of their slices: as
// long as one of them lives its successor finds all; then nothing may be left.
TEST_F(KeeperTest, LeavesAfterTheLastOwnerWhenTheAgentNeverComesBack) {
  const pid_t program = ::fork();
  if (program == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::pause();
    ::_exit(0);
  }
  serve(100 * base::kMillisecond);
  {
    Keeper keeper = connect();
    auto pages = make_tenant_pages(7);
    ASSERT_TRUE(pages.ok());
    auto map = map_tenant_pages(pages->get(), 7);
    ASSERT_TRUE(map.ok());
    auto* tenant = map->as<limit::TenantPages>();
    tenant->owners[2] = owner_word(::getpid(), read_stat(::getpid())->start - 1);  // an earlier one
    tenant->owners[3] = owner_word(program, read_stat(program)->start);
    Fd lock(::eventfd(0, EFD_CLOEXEC));
    ASSERT_TRUE(keeper.put("pages-7", pages->get()).ok());
    ASSERT_TRUE(keeper.put("lock-1", lock.get()).ok());
  }
  ::usleep(600000);
  EXPECT_THAT(*connect().list(), testing::ElementsAre("lock-1", "pages-7"));
  ::kill(program, SIGKILL);
  ::waitpid(program, nullptr, 0);
  EXPECT_TRUE(exits_by_itself());
}

TEST_F(KeeperTest, HoldsWhatNobodyOwnsForAnAgentThatIsThere) {
  serve(50 * base::kMillisecond);
  Keeper keeper = connect();
  auto pages = make_tenant_pages(7);
  ASSERT_TRUE(keeper.put("pages-7", pages->get()).ok());
  ::usleep(400000);
  EXPECT_THAT(*keeper.list(), testing::ElementsAre("pages-7"));
}

TEST_F(KeeperTest, TellsWhenTheKeeperIsGone) {
  serve();
  Keeper keeper = connect();
  ::kill(server_, SIGKILL);
  ::waitpid(server_, nullptr, 0);
  server_ = -1;
  EXPECT_EQ(keeper.list().error().code, Code::kUnavailable);
}

// The real program, started on demand, in a session of its own.
TEST_F(KeeperTest, StartsTheProgram) {
  auto keeper = Keeper::connect(folder_, {FLEXAI_KEEPER_PROGRAM});
  ASSERT_TRUE(keeper.ok()) << keeper.error().message;
  Fd fd(::eventfd(0, EFD_CLOEXEC));
  ASSERT_TRUE(keeper->put("x", fd.get()).ok());
  auto again = Keeper::connect(folder_, {FLEXAI_KEEPER_PROGRAM});
  ASSERT_TRUE(again.ok());
  EXPECT_THAT(*again->list(), testing::ElementsAre("x"));
  ASSERT_TRUE(again->drop("x").ok());  // so that it leaves by itself
  EXPECT_EQ(Keeper::connect(folder_ + "/none", {FLEXAI_KEEPER_PROGRAM}).ok(), false);
  EXPECT_EQ(Keeper::connect("/tmp", {"/nonexistent/keeper"}).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace flexai::agent
