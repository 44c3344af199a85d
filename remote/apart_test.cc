#include "remote/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/temporary_folder.h"

namespace flexai::remote {
namespace {

namespace fs = std::filesystem;

class ApartTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(place_.empty());
    state_ = place_ + "/state";
    for (const char* folder : {"/state/tenants/own", "/state/tenants/other", "/beside"})
      fs::create_directories(place_ + folder);
    for (const char* file :
         {"/state/key", "/state/tenants/own/a", "/state/tenants/other/a", "/beside/a"})
      std::ofstream(place_ + file) << "text";
    if (!Apart::make(state_, own()).ok()) GTEST_SKIP() << "this kernel has no Landlock";
  }
  std::string own() const { return state_ + "/tenants/own"; }
  std::string other() const { return state_ + "/tenants/other"; }

  // What `look` returns in a process that is kept apart.
  int apart(const std::function<int()>& look) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto made = Apart::make(state_, own());
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (!made.ok() || !made->enforce().ok()) ::_exit(100);
      ::_exit(look());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
  }
  static int opened(const std::string& path, int flags = O_RDONLY) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : errno;
  }

  base::TemporaryFolder temporary_;
  const std::string place_ = temporary_.path();
  std::string state_;
};

TEST_F(ApartTest, NothingOfOthersCanBeTouched) {
  for (const std::string& path : {other() + "/a", state_ + "/key"}) {
    EXPECT_EQ(apart([&] { return opened(path); }), EACCES) << path;
    EXPECT_EQ(apart([&] { return opened(path, O_WRONLY); }), EACCES) << path;
    EXPECT_EQ(apart([&] { return ::unlink(path.c_str()) == 0 ? 0 : errno; }), EACCES) << path;
  }
  EXPECT_EQ(apart([&] { return opened(other() + "/new", O_WRONLY | O_CREAT); }), EACCES);
  EXPECT_EQ(apart([&] { return opened(state_ + "/tenants"); }), EACCES);
  EXPECT_EQ(apart([&] {
              return ::rename((own() + "/a").c_str(), (other() + "/a").c_str()) == 0 ? 0 : 1;
            }),
            1);
  EXPECT_EQ(
      apart([&] { return ::link((other() + "/a").c_str(), (own() + "/b").c_str()) == 0 ? 0 : 1; }),
      1);
  // Nor by way of what is one's own.
  fs::create_symlink(other() + "/a", own() + "/way");
  EXPECT_EQ(apart([&] { return opened(own() + "/way"); }), EACCES);
  EXPECT_EQ(apart([&] { return opened(own() + "/../other/a"); }), EACCES);
}

TEST_F(ApartTest, OnesOwnAndTheRestStay) {
  EXPECT_EQ(apart([&] { return opened(own() + "/a", O_RDWR); }), 0);
  EXPECT_EQ(apart([&] { return opened(own() + "/new", O_WRONLY | O_CREAT); }), 0);
  EXPECT_EQ(apart([&] {
              const std::string folder = own() + "/f";
              return ::mkdir(folder.c_str(), 0700) == 0 &&
                             ::rename((own() + "/a").c_str(), (folder + "/a").c_str()) == 0
                         ? 0
                         : errno;
            }),
            0);
  EXPECT_EQ(apart([&] { return opened(place_ + "/beside/a", O_RDWR); }), 0);
  EXPECT_EQ(apart([&] { return opened("/dev/null", O_RDWR); }), 0);
  EXPECT_EQ(apart([&] { return opened("/etc/passwd"); }), 0);
  EXPECT_EQ(apart([&] { return opened("/proc/self/maps"); }), 0);
}

TEST_F(ApartTest, HoldsForWhatItStarts) {
  const std::string reads = "cat " + other() + "/a", runs = "cat " + own() + "/a";
  EXPECT_NE(apart([&] { return ::system((reads + " >/dev/null 2>&1").c_str()) == 0 ? 0 : 1; }), 0);
  EXPECT_EQ(apart([&] { return ::system((runs + " >/dev/null 2>&1").c_str()) == 0 ? 0 : 1; }), 0);
}

// By a descriptor, as the agent hands its folder to a worker that could not find it.
TEST_F(ApartTest, TheFolderMayBeADescriptor) {
  const int folder = ::open(own().c_str(), O_RDONLY | O_DIRECTORY);
  const std::string path = "/proc/self/fd/" + std::to_string(folder);
  const pid_t child = ::fork();
  if (child == 0) {
    auto made = Apart::make(state_, path);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!made.ok() || !made->enforce().ok()) ::_exit(100);
    ::_exit(opened(path + "/new", O_WRONLY | O_CREAT));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::close(folder);
}

TEST_F(ApartTest, FoldersThatAreNotThere) {
  EXPECT_FALSE(Apart::make(place_ + "/nowhere", own()).ok());
  EXPECT_FALSE(Apart::make(state_, state_ + "/nowhere").ok());
}

}  // namespace
}  // namespace flexai::remote
