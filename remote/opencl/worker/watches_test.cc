#include "remote/opencl/worker/watches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace flexai::remote::opencl {
namespace {

// A driver whose commands end when the test says so.
struct Command {
  void(CL_CALLBACK* callback)(cl_event, cl_int, void*) = nullptr;
  void* data = nullptr;
  std::atomic<int> references{1};
  std::atomic<cl_int> status{CL_QUEUED};
};
Command* of(cl_event event) { return reinterpret_cast<Command*>(event); }

const driver::opencl::Table& table() {
  static const driver::opencl::Table kTable = [] {
    driver::opencl::Table t{};
    t.clRetainEvent = [](cl_event e) { return ++of(e)->references, cl_int{CL_SUCCESS}; };
    t.clReleaseEvent = [](cl_event e) { return --of(e)->references, cl_int{CL_SUCCESS}; };
    t.clSetEventCallback = [](cl_event e, cl_int,
                              void(CL_CALLBACK * callback)(cl_event, cl_int, void*), void* data) {
      of(e)->callback = callback;
      of(e)->data = data;
      return cl_int{CL_SUCCESS};
    };
    t.clGetEventInfo = [](cl_event e, cl_event_info, size_t, void* into, size_t*) {
      *static_cast<cl_int*>(into) = of(e)->status;
      return cl_int{CL_SUCCESS};
    };
    return t;
  }();
  return kTable;
}

class WatchesTest : public testing::Test {
 protected:
  void add(size_t i) {
    watches_.add(reinterpret_cast<cl_event>(&commands_[i]), [this, i](cl_event, cl_int status) {
      std::lock_guard lock(mutex_);
      ended_.emplace_back(i, status);
      together_ += Watches::among_others();
      changed_.notify_all();
    });
  }
  void end(size_t i, cl_int status = CL_COMPLETE) {
    commands_[i].status = status;
    commands_[i].callback(reinterpret_cast<cl_event>(&commands_[i]), status, commands_[i].data);
  }
  void wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return ended_.size() >= count; }));
  }
  bool all_quiet() {
    for (int i = 0; i < 2000 && !watches_.quiet(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return watches_.quiet();
  }

  std::vector<Command> commands_ = std::vector<Command>(64);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<size_t, cl_int>> ended_;
  size_t together_ = 0;
  std::atomic<int> flushes_{0};
  Watches watches_{table(), [this] { ++flushes_; }};
};

// Else the end of a step would be another thread's to tell, because of the bytes that began it.
TEST_F(WatchesTest, WhatOnlyFreesKeepsNothingFromBeingTold) {
  bool freed = false;
  add(0);
  end(0);  // what follows ends soon after another
  wait_for(1);
  ASSERT_TRUE(all_quiet());
  watches_.add_apart(reinterpret_cast<cl_event>(&commands_[1]), [&] { freed = true; });
  add(2);
  end(2);
  EXPECT_EQ(ended_.size(), 2u);  // at once, though another is under way
  EXPECT_EQ(together_, 0u);
  EXPECT_FALSE(watches_.quiet());
  end(1);
  EXPECT_TRUE(freed);
  EXPECT_TRUE(watches_.quiet());
  EXPECT_EQ(commands_[1].references, 1);
}

TEST_F(WatchesTest, ToldInTheOrderOfTheDriver) {
  for (size_t i = 0; i < 64; ++i) add(i);
  for (size_t i = 0; i < 64; ++i) end(i);
  wait_for(64);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(ended_[i], std::pair(i, cl_int{CL_COMPLETE}));
  EXPECT_TRUE(all_quiet());
  for (const Command& command : commands_) EXPECT_EQ(command.references, 1);
}

TEST_F(WatchesTest, ManyThatFollowCloselyAreToldTogether) {
  for (size_t i = 0; i < 64; ++i) add(i);
  for (size_t i = 0; i < 64; ++i) end(i);
  wait_for(64);
  ASSERT_TRUE(all_quiet());
  EXPECT_GT(together_, 32u);
  EXPECT_LT(flushes_, 64);
}

// What is under way beside it never ends: what was held is told all the same.
TEST_F(WatchesTest, NothingIsHeldForWhatDoesNotCome) {
  for (size_t i = 0; i < 64; ++i) add(i);
  for (size_t i = 0; i < 3; ++i) end(i);
  wait_for(3);
  EXPECT_FALSE(watches_.quiet());
  for (size_t i = 3; i < 64; ++i) end(i);
  wait_for(64);
}

TEST_F(WatchesTest, TheLastIsToldAtOnceAndAFailureAsWhatItIs) {
  add(0);
  end(0, CL_OUT_OF_RESOURCES);
  ASSERT_EQ(ended_.size(), 1u);  // on the driver's own thread, nothing else being under way
  EXPECT_EQ(ended_[0].second, CL_OUT_OF_RESOURCES);
}

TEST_F(WatchesTest, OneTheDriverForgetsIsFound) {
  add(0);
  commands_[0].status = CL_OUT_OF_RESOURCES;
  watches_.sweep();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].second, CL_OUT_OF_RESOURCES);
  end(0, CL_OUT_OF_RESOURCES);  // late, and once is enough
  EXPECT_TRUE(all_quiet());
  EXPECT_EQ(ended_.size(), 1u);
}

// The worker's end does not wait for its commands; PoCL calls back for them all the same.
TEST_F(WatchesTest, ACallbackAfterTheirEndTouchesNothing) {
  int called = 0;
  {
    Watches gone(table(), [] {});
    gone.add(reinterpret_cast<cl_event>(&commands_[0]), [&](cl_event, cl_int) { ++called; });
  }
  EXPECT_EQ(commands_[0].references, 1);
  end(0);
  EXPECT_EQ(called, 0);
}

TEST_F(WatchesTest, ClosingWaitsForACallbackThatIsInside) {
  std::atomic<bool> entered{false}, left{false};
  watches_.add(reinterpret_cast<cl_event>(&commands_[0]), [&](cl_event, cl_int) {
    entered = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    left = true;
  });
  std::thread driver([&] { end(0); });
  while (!entered) std::this_thread::yield();
  watches_.close();
  EXPECT_TRUE(left);
  driver.join();
}

}  // namespace
}  // namespace flexai::remote::opencl
