#include "wire/bulk.h"

#include <random>

#include "wire/carrier_fixture.h"

namespace flexai::wire {
namespace {

std::vector<std::byte> noise(size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  std::mt19937_64 random(seed);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, 8);
  }
  return bytes;
}

struct Ends {
  explicit Ends(CarrierHost& host, int stripes = 2) {
    client = std::move(Session::connect(host.connector(), test_options())).value();
    server = host.session();
    near = std::move(Bulk::make(*client, stripes)).value();
    far = std::move(Bulk::make(*server)).value();
  }
  std::unique_ptr<Session> client;
  std::shared_ptr<Session> server;
  std::unique_ptr<Bulk> near, far;
};

class BulkOver : public testing::TestWithParam<Carrier> {};
INSTANTIATE_TEST_SUITE_P(Carriers, BulkOver,
                         testing::Values(Carrier::kUnix, Carrier::kShared, Carrier::kTcp,
                                         Carrier::kTls));

TEST_P(BulkOver, MovesBothWaysAtOnce) {
  CarrierHost host(GetParam());
  Ends ends(host);
  for (size_t size :
       {size_t{1}, size_t{kMaxChunk}, size_t{kMaxChunk + 1}, size_t{9 * kMaxChunk + 77}}) {
    auto up = noise(size, 1), down = noise(size, 2);
    std::vector<std::byte> got_up(size), got_down(size);
    ASSERT_TRUE(ends.far->expect(size, got_up).ok());
    ASSERT_TRUE(ends.near->expect(size, got_down).ok());
    ASSERT_TRUE(ends.near->send(size, up).ok());
    ASSERT_TRUE(ends.far->send(size, down).ok());
    base::Nanos deadline = monotonic_now() + kPatience;
    ASSERT_TRUE(ends.near->wait_sent(size, deadline).ok());
    ASSERT_TRUE(ends.far->wait_sent(size, deadline).ok());
    ASSERT_TRUE(ends.near->wait_received(size, deadline).ok());
    ASSERT_TRUE(ends.far->wait_received(size, deadline).ok());
    EXPECT_TRUE(up == got_up);
    EXPECT_TRUE(down == got_down);
  }
}

TEST_P(BulkOver, IsRightAfterCutsInTheMiddle) {
  CarrierHost host(GetParam());
  Ends ends(host);
  size_t size = 24u << 20;
  auto data = noise(size, 3);
  for (uint64_t round = 0; round < 3; ++round) {
    std::vector<std::byte> got(size);
    ASSERT_TRUE(ends.near->send(round, data).ok());
    ASSERT_TRUE(ends.far->expect(round, got).ok());
    for (int cut = 0; cut < 4; ++cut) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      (cut % 2 == 0 ? ends.near : ends.far)->cut();
      if (cut == 2) ends.client->cut();
    }
    base::Nanos deadline = monotonic_now() + kPatience;
    ASSERT_TRUE(ends.far->wait_received(round, deadline).ok());
    ASSERT_TRUE(ends.near->wait_sent(round, deadline).ok());
    ASSERT_TRUE(got == data);
  }
}

// Nothing moves, so neither end is owed anything; then only the host, which sends, finds out.
TEST(Bulk, AConnectionThatDiedUnnoticedIsReplacedWhenTheHostFindsIt) {
  Welcome welcome;
  welcome.version = test_options().version;
  Writer writer;
  encode(welcome, writer);
  // What the host says until it has acknowledged one chunk.
  const uint64_t said = kHeaderBytes + writer.bytes().size() + kHeaderBytes + 16;
  TestHost host(test_options(), [said](int n) {
    return n != 1 ? FakeLink{} : FakeLink{.fault = Fault::kSilence, .direction = 1, .after = said};
  });
  auto client = std::move(Session::connect(host.connector(), test_options())).value();
  auto server = host.session();
  auto near = std::move(Bulk::make(*client, 1)).value();
  auto far = std::move(Bulk::make(*server)).value();
  auto data = noise(1000, 6);
  std::vector<std::byte> got(data.size()), back(data.size());
  const base::Nanos deadline = monotonic_now() + kPatience;
  ASSERT_TRUE(far->expect(1, got).ok());
  ASSERT_TRUE(near->send(1, data).ok());
  ASSERT_TRUE(near->wait_sent(1, deadline).ok());
  ASSERT_EQ(host.connections(), 2);
  ASSERT_TRUE(near->expect(2, back).ok());
  ASSERT_TRUE(far->send(2, data).ok());
  ASSERT_TRUE(near->wait_received(2, deadline).ok());
  EXPECT_TRUE(back == data);
  EXPECT_EQ(host.connections(), 3);
}

TEST(Bulk, DifferentSizesAreAnErrorAtBothEnds) {
  CarrierHost host(Carrier::kUnix);
  Ends ends(host);
  auto data = noise(1000, 4);
  std::vector<std::byte> got(999);
  ASSERT_TRUE(ends.far->expect(1, got).ok());
  ASSERT_TRUE(ends.near->send(1, data).ok());
  base::Nanos deadline = monotonic_now() + kPatience;
  EXPECT_EQ(ends.near->wait_sent(1, deadline).error().code, base::Code::kCorrupt);
  EXPECT_EQ(ends.far->wait_received(1, deadline).error().code, base::Code::kCorrupt);
}

TEST(Bulk, ACancelledTransferLeavesTheMemoryAlone) {
  CarrierHost host(Carrier::kUnix);
  Ends ends(host);
  auto data = noise(64u << 20, 5);
  std::vector<std::byte> got(data.size());
  ASSERT_TRUE(ends.near->send(1, data).ok());
  ASSERT_TRUE(ends.far->expect(1, got).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  ends.far->cancel_receive(1);
  ends.near->cancel_send(1);
  std::vector<std::byte> copy = got;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(copy == got);
  std::vector<std::byte> small(10);
  ASSERT_TRUE(ends.far->expect(2, small).ok());
  ASSERT_TRUE(ends.near->send(2, Bytes(data).first(10)).ok());
  EXPECT_TRUE(ends.far->wait_received(2, monotonic_now() + kPatience).ok());
  EXPECT_TRUE(ends.near->wait_sent(2, monotonic_now() + kPatience).ok());
}

// Otherwise so many as are remembered would be the last that can be sent.
TEST(Bulk, WhatIsNotSentAfterAllIsForgotten) {
  CarrierHost host(Carrier::kUnix);
  Ends ends(host);
  std::vector<std::byte> place(64);
  for (uint64_t id = 1; id <= 5000; ++id) {
    ASSERT_TRUE(ends.near->expect(id, place).ok());
    ends.near->cancel_receive(id);
    while (ends.far->awaited().count(id) == 0) std::this_thread::yield();
    ends.far->cancel_send(id);
  }
  EXPECT_TRUE(ends.far->awaited().empty());
}

TEST(Bulk, EndsWithTheSession) {
  CarrierHost host(Carrier::kUnix);
  Ends ends(host);
  std::vector<std::byte> got(1000);
  ASSERT_TRUE(ends.near->expect(1, got).ok());
  ends.server->end({.code = RefusalCode::kEnded, .text = "over"});
  EXPECT_EQ(ends.near->wait_received(1, monotonic_now() + kPatience).error().code,
            base::Code::kUnavailable);
}

}  // namespace
}  // namespace flexai::wire
