// Volley: many calls of one client, a number of them at a time. Threads: run() blocks; the calls
// are made on the client's.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <vector>

#include "test/e2e/kube/probe.h"

namespace flexai::test {

// Sends `count` calls, at most `in_flight` at a time; returns their times in seconds, sorted.
class Volley {
 public:
  Volley(kube::Client& client, size_t count, std::function<kube::Call(size_t)> make)
      : client_(client),
        count_(count),
        make_(std::move(make)),
        times_(count),
        over_(static_cast<ptrdiff_t>(count)) {}

  std::vector<double> run(size_t in_flight) {
    for (size_t i = 0; i < std::min(in_flight, count_); ++i) next();
    over_.wait();
    std::sort(times_.begin(), times_.end());
    return times_;
  }
  size_t failed() const { return failed_; }

 private:
  void next() {
    size_t index = started_.fetch_add(1);
    if (index >= count_) return;
    base::Nanos began = base::monotonic_now();
    client_.send(make_(index), nullptr, [this, index, began](kube::Reply reply) {
      times_[index] = static_cast<double>(base::monotonic_now() - began) / 1e9;
      if (!reply.ok() && failed_++ == 0) say("failed: " + reply.failure->message);
      next();
      over_.count_down();
    });
  }

  kube::Client& client_;
  const size_t count_;
  const std::function<kube::Call(size_t)> make_;
  std::vector<double> times_;
  std::latch over_;
  std::atomic<size_t> started_{0}, failed_{0};
};

}  // namespace flexai::test
