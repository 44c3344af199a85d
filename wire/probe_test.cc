#include "wire/probe.h"

#include <gtest/gtest.h>

#include <thread>

#include "wire/exchange.h"
#include "wire/fake_transport.h"

namespace flexai::wire {
namespace {

using base::kSecond;
using base::monotonic_now;

struct Probed {
  Probed() {
    auto [a, b] = make_fake_pair();
    client = std::move(a);
    host = std::move(b);
    thread = std::thread([this] {
      ended = serve_probe(*host, monotonic_now() + 30 * kSecond);
      host->shutdown();
    });
  }
  ~Probed() {
    if (thread.joinable()) end();
  }
  void end() {
    client->shutdown();
    thread.join();
  }
  std::unique_ptr<Transport> client, host;
  base::Status ended;
  std::thread thread;
};

TEST(Probe, RoundTripsAndStreamsBothWays) {
  Probed probed;
  auto trips = probe_round_trips(*probed.client, 50, monotonic_now() + 30 * kSecond);
  ASSERT_TRUE(trips.ok()) << trips.error().message;
  EXPECT_EQ(trips->size(), 50u);
  for (bool up : {true, false}) {
    auto took = probe_stream(*probed.client, up, 3'000'000, monotonic_now() + 30 * kSecond);
    ASSERT_TRUE(took.ok()) << took.error().message;
    EXPECT_GT(*took, 0);
  }
  // Nothing was left over.
  EXPECT_TRUE(probe_round_trips(*probed.client, 1, monotonic_now() + 30 * kSecond).ok());
}

TEST(Probe, WhatIsNoProbeEndsIt) {
  Probed probed;
  const std::byte junk[16] = {};
  ASSERT_TRUE(send_all(*probed.client, junk, monotonic_now() + kSecond).ok());
  probed.thread.join();
  EXPECT_EQ(probed.ended.error().code, base::Code::kCorrupt);
}

}  // namespace
}  // namespace flexai::wire
