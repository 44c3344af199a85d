#include "agent/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

TEST(Process, ReadsItsOwnStateWhateverItsName) {
  char before[16];
  prctl(PR_GET_NAME, before);
  prctl(PR_SET_NAME, ") R 1 2 (x");  // a command that tries to look like the rest of the line
  auto stat = read_stat(getpid());
  prctl(PR_SET_NAME, before);
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->parent, getppid());
  EXPECT_GT(stat->start, 1000u);
}

TEST(Process, TimeInWhichAProcessCouldDoNothingIsNotItsOwn) {
  constexpr base::Nanos kMs = base::kMillisecond;
  EXPECT_EQ(own_time(250 * kMs, {0, 0}, {250 * kMs, 0}, false), 250 * kMs);       // it ran
  EXPECT_EQ(own_time(250 * kMs, {0, 0}, {0, 0}, true), 250 * kMs);                // it slept
  EXPECT_EQ(own_time(250 * kMs, {0, 0}, {20 * kMs, 230 * kMs}, true), 20 * kMs);  // it queued
  EXPECT_EQ(own_time(250 * kMs, {0, 0}, {20 * kMs, 0}, false), 20 * kMs);         // it still queues
  // One thread that always queues hides nothing of what the others do.
  EXPECT_EQ(own_time(250 * kMs, {0, 0}, {400 * kMs, 900 * kMs}, false), 250 * kMs);
  EXPECT_EQ(own_time(250 * kMs, {100 * kMs, 9 * kMs}, {0, 0}, true), 250 * kMs);  // a thread ended
}

TEST(Process, CountsWhatItRan) {
  auto before = read_progress(getpid());
  if (!before.ok()) GTEST_SKIP() << before.error().message;
  for (base::Nanos begin = base::monotonic_now(); base::monotonic_now() < begin + 50000000;) {
  }
  auto after = read_progress(getpid());
  EXPECT_GT(after->run + after->queued, before->run + before->queued);
}

TEST(Process, APidfdSeesTheEnd) {
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  auto pidfd = open_pidfd(child);
  ASSERT_TRUE(pidfd.ok());
  EXPECT_FALSE(has_ended(pidfd->get()));
  ASSERT_TRUE(kill_process(pidfd->get(), SIGKILL).ok());
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(has_ended(pidfd->get()));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(Process, FindsAMappedFileByAnyOfItsNames) {
  base::TemporaryFolder folder;
  const std::string file = folder / "driver.so.1", link = folder / "driver.so";
  std::ofstream(file) << std::string(4096, 'x');
  ASSERT_EQ(symlink(file.c_str(), link.c_str()), 0);
  const std::string hard = folder / "renamed.so";
  ASSERT_EQ(::link(file.c_str(), hard.c_str()), 0);
  MappedFiles files;
  files.add(link);
  EXPECT_EQ(*files.first_mapped(getpid()), "");
  base::Fd fd(open(hard.c_str(), O_RDONLY));
  auto mapping = base::Mapping::map(fd.get(), 4096, base::Mapping::Access::kRead);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(*files.first_mapped(getpid()), hard);
}

TEST(Process, KnowsTheOtherEndOfASocket) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  auto peer = peer_of(ends[0]);
  ASSERT_TRUE(peer.ok()) << peer.error().message;
  EXPECT_EQ(peer->pid, getpid());
  EXPECT_EQ(peer->uid, getuid());
  close(ends[0]);
  close(ends[1]);
}

TEST(Process, LooksForAWholeVariable) {
  pid_t child = fork();
  if (child == 0) {
    setenv("FLEXAI_TEST_MARK", "abcdef", 1);
    execlp("sleep", "sleep", "30", static_cast<char*>(nullptr));
    _exit(1);
  }
  bool found = false;
  for (int i = 0; i < 500 && !found; ++i) {
    found = started_with(child, "FLEXAI_TEST_MARK=abcdef");
    usleep(10000);
  }
  EXPECT_TRUE(found);
  EXPECT_FALSE(started_with(child, "FLEXAI_TEST_MARK=abc"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace flexai::agent
