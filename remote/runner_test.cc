#include "remote/runner.h"

#include <gtest/gtest.h>

#include <vector>

namespace flexai::remote {
namespace {

TEST(Runner, RunsInOrderAndAllBeforeItEnds) {
  std::vector<int> ran;
  {
    Runner runner;
    for (int i = 0; i < 1000; ++i) runner.post([&ran, i] { ran.push_back(i); });
  }
  ASSERT_EQ(ran.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ran[static_cast<size_t>(i)], i);
}

TEST(Runner, ATaskMayPostAnother) {
  std::atomic<int> ran{0};
  {
    Runner runner;
    runner.post([&] {
      ++ran;
      runner.post([&] { ++ran; });
    });
    while (ran != 2) std::this_thread::yield();
  }
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace flexai::remote
