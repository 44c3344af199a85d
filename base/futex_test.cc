#include "base/futex.h"

#include <gtest/gtest.h>

#include <thread>

namespace flexai::base {
namespace {

// Wakes until the sleeper is up: it may not sleep yet.
void change_and_wake(std::atomic<uint32_t>& word, const std::atomic<bool>& up) {
  word = 1;
  while (!up) {
    futex_wake(&word, 1);
    std::this_thread::yield();
  }
}

TEST(Futex, EitherOfTwoWordsWakes) {
  for (int changed = 0; changed < 2; ++changed) {
    std::atomic<uint32_t> words[2] = {0, 0};
    std::atomic<bool> up{false};
    bool in_time = false;
    std::thread sleeper([&] {
      const Nanos deadline = monotonic_now() + 3600 * kSecond;
      while (words[0] == 0 && words[1] == 0)
        futex_wait_either({&words[0], 0}, {&words[1], 0}, deadline);
      in_time = monotonic_now() < deadline;
      up = true;
    });
    change_and_wake(words[changed], up);
    sleeper.join();
    EXPECT_TRUE(in_time) << changed;
  }
}

TEST(Futex, AWordThatHasChangedIsNotWaitedFor) {
  std::atomic<uint32_t> first{0}, second{7};
  futex_wait_either({&first, 0}, {&second, 6}, monotonic_now() + 3600 * kSecond);
  futex_wait_either({&first, 1}, {&second, 7}, monotonic_now() + 3600 * kSecond);
}

TEST(Futex, TheDeadlineEndsIt) {
  std::atomic<uint32_t> first{0}, second{0};
  const Nanos deadline = monotonic_now() + kMillisecond;
  while (monotonic_now() < deadline) futex_wait_either({&first, 0}, {&second, 0}, deadline);
}

}  // namespace
}  // namespace flexai::base
