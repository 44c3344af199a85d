#include "remote/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace flexai::remote {
namespace {

// What `look` returns in a confined process.
int confined(const std::function<int()>& look, const Isolation& isolation = {}) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto confined = confine(isolation);
    if (!confined.ok()) ::_exit(100);
    ::_exit(confined->filtered || !isolation.filter ? look() : 101);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

TEST(Isolation, NoNetworkOfItsOwn) {
  for (int family : {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET})
    EXPECT_EQ(confined([family] {
                return ::socket(family, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 1;
              }),
              0)
        << family;
  EXPECT_EQ(confined([] { return ::socket(AF_UNIX, SOCK_SEQPACKET, 0) >= 0 ? 0 : 1; }), 0);
}

TEST(Isolation, NoTracingNoNamespacesNoPrivileges) {
  EXPECT_EQ(confined([] {
              return ::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0) < 0 && errno == EPERM ? 0 : 1;
            }),
            0);
  EXPECT_EQ(confined([] { return ::unshare(CLONE_NEWUSER) < 0 && errno == EPERM ? 0 : 1; }), 0);
  EXPECT_EQ(confined([] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1; }), 0);
  EXPECT_EQ(confined([] {
              rlimit core{};
              ::getrlimit(RLIMIT_CORE, &core);
              return core.rlim_max == 0 && ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1;
            }),
            0);
}

TEST(Isolation, WhatDriversNeedStays) {
  EXPECT_EQ(confined([] {
              const pid_t child = ::fork();
              if (child == 0) {
                ::execl("/bin/true", "true", nullptr);
                ::_exit(1);
              }
              int status = 1;
              ::waitpid(child, &status, 0);
              return status;
            }),
            0);
  EXPECT_EQ(confined([] { return ::open("/dev/null", O_RDWR) >= 0 ? 0 : 1; }), 0);
}

TEST(Isolation, AnotherUserWhereRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(confined([] { return ::geteuid() != 0 && ::setuid(0) != 0 ? 0 : 1; }, {"nobody", true}),
            0);
  EXPECT_EQ(confined([] { return 0; }, {"no-such-user", true}), 100);
}

}  // namespace
}  // namespace flexai::remote
