// Who gets a place at a door, and who waits or is sent away.
#include "wire/acceptor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>

#include "wire/session_fixture.h"
#include "wire/socket.h"

namespace flexai::wire {
namespace {

class Hall {
 public:
  explicit Hall(Acceptor::Options options) {
    auto listener = listen_socket({Carrier::kTcp, "127.0.0.1", 0, ""});
    EXPECT_TRUE(listener.ok());
    port_ = local_port(listener->get()).value();
    options.tick = [this] { ++ticks; };
    auto made = Acceptor::open(std::move(*listener), std::move(options),
                               [this](base::Fd socket, Acceptor::Greeting& greeting) {
                                 serve(std::move(socket), greeting);
                               });
    EXPECT_TRUE(made.ok());
    acceptor_ = std::move(*made);
  }
  ~Hall() {
    leave = true;
    acceptor_->stop();
  }
  base::Fd come() {
    auto socket = connect_socket({Carrier::kTcp, "127.0.0.1", port_, ""}, kPatience);
    EXPECT_TRUE(socket.ok());
    return std::move(*socket);
  }
  void until(const std::atomic<int>& count, int at_least) {
    while (count < at_least) std::this_thread::yield();
  }

  std::atomic<int> came{0}, greeted{0}, ticks{0};
  std::atomic<int> to_greet{0};  // so many may end their greeting
  std::atomic<bool> leave{false};

 private:
  void serve([[maybe_unused]] const base::Fd socket, Acceptor::Greeting& greeting) {
    const int number = ++came;
    while (!leave && to_greet < number) std::this_thread::yield();
    greeting.over();
    ++greeted;
    while (!leave) std::this_thread::yield();
  }
  uint16_t port_ = 0;
  std::unique_ptr<Acceptor> acceptor_;
};

bool closed(const base::Fd& socket) {
  wait_socket(socket.get(), POLLIN, -1, monotonic_now() + kPatience);
  char byte = 0;
  return ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

TEST(Acceptor, OneAddressDoesNotTakeEveryPlace) {
  Hall hall({.greetings = 8, .an_address = 2, .tick = nullptr});
  auto first = hall.come(), second = hall.come();
  hall.until(hall.came, 2);
  EXPECT_TRUE(closed(hall.come()));
  EXPECT_EQ(hall.came, 2);
  // Who has been greeted is served for as long as it likes, and its place is free.
  hall.to_greet = 1;
  hall.until(hall.greeted, 1);
  auto third = hall.come();
  hall.until(hall.came, 3);
  EXPECT_TRUE(closed(hall.come()));
}

TEST(Acceptor, AboveTheLimitOfAllTheyWait) {
  Hall hall({.greetings = 2, .an_address = 0, .tick = nullptr});
  auto first = hall.come(), second = hall.come(), third = hall.come();
  hall.until(hall.came, 2);
  hall.until(hall.ticks, 0);
  EXPECT_EQ(hall.came, 2);
  hall.to_greet = 1;
  hall.until(hall.came, 3);
}

TEST(Acceptor, TicksWhileNobodyComes) {
  Hall hall({.greetings = 2, .an_address = 0, .tick = nullptr});
  hall.until(hall.ticks, 2);
}

}  // namespace
}  // namespace flexai::wire
