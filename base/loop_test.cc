#include "base/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace flexai::base {
namespace {

TEST(Loop, RunsTimersInOrderAndStops) {
  auto loop = Loop::make();
  ASSERT_TRUE(loop.ok());
  std::vector<int> order;
  Nanos now = monotonic_now();
  (*loop)->at(now + 2 * kMillisecond, [&] {
    order.push_back(2);
    (*loop)->stop();
  });
  (*loop)->at(now + 1 * kMillisecond, [&] { order.push_back(1); });
  auto cancelled = (*loop)->at(now, [&] { order.push_back(0); });
  (*loop)->cancel(cancelled);
  (*loop)->run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Loop, RunsWorkPostedFromAnotherThread) {
  auto loop = Loop::make();
  ASSERT_TRUE(loop.ok());
  int seen = 0;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) (*loop)->post([&] { ++seen; });
    (*loop)->post([&] { (*loop)->stop(); });
  });
  (*loop)->run();
  other.join();
  EXPECT_EQ(seen, 100);
}

TEST(Loop, ACallbackMayUnwatchItself) {
  auto loop = Loop::make();
  ASSERT_TRUE(loop.ok());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  int calls = 0;
  ASSERT_TRUE((*loop)
                  ->watch(ends[0], EPOLLIN,
                          [&](uint32_t) {
                            ++calls;
                            (*loop)->unwatch(ends[0]);
                            (*loop)->at(monotonic_now() + kMillisecond, [&] { (*loop)->stop(); });
                          })
                  .ok());
  (*loop)->run();
  EXPECT_EQ(calls, 1);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace flexai::base
