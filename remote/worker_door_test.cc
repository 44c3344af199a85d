#include "remote/worker_door.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace flexai::remote {
namespace {

// A door in a process of its own, whose workers are `worker`.
struct Keeper {
  explicit Keeper(std::vector<std::string> worker) {
    folder = (std::filesystem::temp_directory_path() / "flexai-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    process = ::fork();
    if (process == 0) {
      auto door = WorkerDoor::open(folder, std::move(worker));
      [[maybe_unused]] const ssize_t told = ::write(ready[1], "x", 1);
      [[maybe_unused]] const auto served = door->serve();
      ::_exit(1);
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Keeper() {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
    std::filesystem::remove_all(folder);
  }
  auto knock() {
    return remote::knock("door:" + folder + "/door", base::monotonic_now() + 10 * base::kSecond);
  }
  std::string folder;
  pid_t process = 0;
};

TEST(WorkerDoor, EachKnockGetsAWorkerOfItsOwn) {
  Keeper keeper({"/bin/sh", "-c", "echo $2; sleep 5", "worker"});
  auto first = keeper.knock(), second = keeper.knock();
  ASSERT_TRUE(first.ok()) << first.error().message;
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*first, "shm:" + keeper.folder + "/worker1");
  EXPECT_EQ(*second, "shm:" + keeper.folder + "/worker2");
}

TEST(WorkerDoor, AWorkerThatDoesNotStartIsAnError) {
  Keeper keeper({"/bin/false"});
  auto none = keeper.knock();
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("did not start"), std::string::npos);
  EXPECT_FALSE(knock("door:/nowhere/door", base::monotonic_now() + base::kSecond).ok());
}

}  // namespace
}  // namespace flexai::remote
