// A host and clients in one process, over fake links: for the tests of sessions.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "wire/fake_transport.h"
#include "wire/host.h"
#include "wire/lane.h"

namespace flexai::wire {

using base::kMillisecond;
using base::kSecond;
using base::monotonic_now;

// What should happen is waited for so long. The machine may stand still for seconds meanwhile; no
// test passes because this is over.
inline constexpr base::Nanos kPatience = 60 * kSecond;

inline SessionOptions test_options() {
  SessionOptions options;
  options.version.spec.assign(32, std::byte{7});
  options.version.build = "test";
  options.grace = options.handshake = kPatience;
  return options;
}

// Where clients connect to. `link` says what the n-th connection (from 0) is like.
class TestHost {
 public:
  explicit TestHost(SessionOptions options = test_options(),
                    std::function<FakeLink(int)> link = nullptr)
      : link_(std::move(link)),
        host_({.session = std::move(options), .admit = nullptr, .on_session = [this](auto session) {
                 keep(std::move(session));
               }}) {}
  ~TestHost() {
    for (auto& thread : threads_) thread.join();
  }

  Connector connector() {
    return [this](Purpose, base::Nanos) { return open(); };
  }

  base::Result<std::unique_ptr<Transport>> open() {
    std::lock_guard lock(mutex_);
    if (closed_) return base::fail(base::Code::kUnavailable, "fake host is away");
    auto [near, far] = make_fake_pair(link_ ? link_(connections_) : FakeLink{});
    ++connections_;
    threads_.emplace_back([this, end = std::move(far)]() mutable {
      [[maybe_unused]] auto served = host_.serve(std::move(end));
    });
    return std::move(near);
  }

  // Waits for the host's side of the newest session, or of that named.
  std::shared_ptr<Session> session(const SessionId& id = {}) {
    for (;;) {
      {
        std::lock_guard lock(mutex_);
        for (auto& session : sessions_)
          if (is_none(id) || session->id() == id) return session;
      }
      std::this_thread::yield();
    }
  }
  void forget() {
    std::lock_guard lock(mutex_);
    sessions_.clear();
  }
  void set_closed(bool closed) {
    std::lock_guard lock(mutex_);
    closed_ = closed;
  }
  int connections() {
    std::lock_guard lock(mutex_);
    return connections_;
  }
  Host& host() { return host_; }

 private:
  void keep(std::shared_ptr<Session> session) {
    std::lock_guard lock(mutex_);
    sessions_.insert(sessions_.begin(), std::move(session));
  }

  std::function<FakeLink(int)> link_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Session>> sessions_;
  std::vector<std::thread> threads_;
  int connections_ = 0;
  bool closed_ = false;
  Host host_;
};

// Sends back what it gets on `lane`, until the session ends.
inline std::thread echo(std::shared_ptr<Session> session, uint16_t lane_id = 0) {
  return std::thread([session, lane_id] {
    Lane* lane = *session->lane(lane_id);
    for (;;) {
      auto message = lane->receive(0);
      if (!message.ok()) return;
      if (!lane->send(message->tag, message->body, {}, Push::kNow).ok()) return;
    }
  });
}

}  // namespace flexai::wire
