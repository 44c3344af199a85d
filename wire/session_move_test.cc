// A session that goes on in another process: its client sees a cut, and each message is delivered
// exactly once and in order.
#include <gmock/gmock.h>

#include "wire/bulk.h"
#include "wire/session_fixture.h"

namespace flexai::wire {
namespace {

using testing::HasSubstr;

constexpr uint32_t kMessages = 24;

std::string body(uint32_t i) { return std::string(i * 7 % 40, static_cast<char>('a' + i % 26)); }

// Two hosts, and a client that follows from one to the other.
class Moves : public testing::Test {
 protected:
  SessionOptions client_options() {
    SessionOptions options = test_options();
    options.batch_delay = kMillisecond;
    options.on_moved = [this](Bytes note) -> base::Status {
      at_ = text_of(note) == "second" ? &second_ : &first_;
      ++followed_;
      return {};
    };
    return options;
  }
  std::unique_ptr<Session> connect() {
    auto session = Session::connect(
        [this](Purpose purpose, base::Nanos deadline) {
          return at_.load()->connector()(purpose, deadline);
        },
        client_options());
    EXPECT_TRUE(session.ok());
    return std::move(session).value();
  }
  // What travels is what is used.
  std::shared_ptr<Session> adopt(Session& from, TestHost& to, bool again = false) {
    auto state = from.state(again);
    EXPECT_TRUE(state.ok()) << state.error().message;
    Writer writer;
    EXPECT_TRUE(encode(*state, writer).ok());
    auto decoded = decode_session_state(writer.bytes());
    EXPECT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(*decoded, *state);
    auto made = Session::adopt(*decoded, from.peer(), test_options());
    EXPECT_TRUE(made.ok());
    std::shared_ptr<Session> session = std::move(made).value();
    to.host().take_in(session);
    return session;
  }

  TestHost first_, second_;
  std::atomic<TestHost*> at_{&first_};
  std::atomic<int> followed_{0};
};

std::string send(Session& session, uint32_t i) {
  Push push = i % 4 == 3 ? Push::kNow : Push::kLater;
  auto sent = (*session.lane(i % 3 == 2))->send(i, bytes_of(body(i)), {}, push);
  return sent.ok() ? "" : sent.error().message;
}

std::string receive(Session& session, uint32_t i) {
  auto message = (*session.lane(i % 3 == 2))->receive(monotonic_now() + kPatience);
  if (!message.ok()) return "receive " + std::to_string(i) + ": " + message.error().message;
  if (message->tag != i || text_of(message->body) != body(i))
    return "message " + std::to_string(message->tag) + " instead of " + std::to_string(i);
  return "";
}

// Both ends send `kMessages`; the host's side moves before its step `at` of 2 * kMessages, its
// connection is cut before that where `cut` says so.
TEST_F(Moves, AtEveryMessageOfAnExchange) {
  for (bool cut : {false, true}) {
    for (uint32_t at = 0; at <= 2 * kMessages; ++at) {
      at_ = &first_;
      auto client = connect();
      std::shared_ptr<Session> server = first_.session(client->id());
      std::shared_ptr<Session> old;
      std::string near, far;
      std::thread there([&] {
        for (uint32_t i = 0; i < kMessages && near.empty(); ++i) near = send(*client, i);
        for (uint32_t i = 0; i < kMessages && near.empty(); ++i) near = receive(*client, i);
      });
      for (uint32_t step = 0; step <= 2 * kMessages && far.empty(); ++step) {
        if (step == at) {
          if (cut) server->cut();
          server->freeze();
          old = server;
          server = adopt(*old, second_);
          old->pass_on(bytes_of("second"));
        }
        if (step == 2 * kMessages) break;
        far = step < kMessages ? receive(*server, step) : send(*server, step - kMessages);
      }
      if (far.empty()) far = server->flush().ok() ? "" : "flush";
      there.join();
      EXPECT_EQ(near + far, "") << "moved at " << at << (cut ? ", cut" : "");
      for (uint16_t lane : {uint16_t{0}, uint16_t{1}})
        EXPECT_FALSE((*client->lane(lane))->poll().ok()) << "too many";
      if (testing::Test::HasFailure()) return;
      EXPECT_TRUE(server->await_peer(monotonic_now() + kPatience).ok());
      client->close(monotonic_now() + kPatience);
      first_.forget();
    }
  }
  EXPECT_EQ(followed_, 2 * (2 * static_cast<int>(kMessages) + 1));
}

TEST_F(Moves, AMessageInHandIsWorkedOnThere) {
  auto client = connect();
  auto server = first_.session();
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 6; ++i) ASSERT_TRUE(lane->send(i, bytes_of(body(i))).ok());
  ASSERT_TRUE(client->flush().ok());
  for (uint32_t i = 0; i < 3; ++i)
    EXPECT_EQ(server->receive_any(monotonic_now() + kPatience)->message.tag, i);
  server->freeze();
  auto there = adopt(*server, second_, true);
  server->pass_on(bytes_of("second"));
  for (uint32_t i = 2; i < 6; ++i) {
    auto next = there->receive_any(monotonic_now() + kPatience);
    ASSERT_TRUE(next.ok());
    EXPECT_EQ(next->message.tag, i);
    EXPECT_EQ(text_of(next->message.body), body(i));
  }
  client->close(monotonic_now() + kPatience);
}

TEST_F(Moves, WhatWasFrozenGoesOnWhereItWas) {
  auto client = connect();
  auto server = first_.session();
  server->freeze();
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 50; ++i)
    ASSERT_TRUE(lane->send(i, bytes_of(body(i)), {}, Push::kNow).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE((*server->lane(0))->poll().ok()) << "it takes nothing in";
  server->thaw();
  for (uint32_t i = 0; i < 50; ++i) {
    auto message = (*server->lane(0))->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(message->tag, i);
  }
  EXPECT_EQ(followed_, 0);
  client->close(monotonic_now() + kPatience);
}

TEST_F(Moves, WhoComesAgainLaterIsSentOn) {
  auto client = connect();
  auto server = first_.session();
  first_.set_closed(true);
  client->cut();
  server->cut();
  server->freeze();
  auto there = adopt(*server, second_);
  server->pass_on(bytes_of("second"));
  EXPECT_EQ(followed_, 0) << "nobody has told it";
  first_.set_closed(false);
  ASSERT_TRUE(there->await_peer(monotonic_now() + kPatience).ok());
  EXPECT_EQ(followed_, 1);
  std::thread echoing = echo(there);
  ASSERT_TRUE((*client->lane(0))->send(5, bytes_of("hello"), {}, Push::kNow).ok());
  EXPECT_TRUE((*client->lane(0))->receive(monotonic_now() + kPatience).ok());
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST_F(Moves, ThereAndBack) {
  auto client = connect();
  std::shared_ptr<Session> server = first_.session();
  std::vector<std::shared_ptr<Session>> old;
  for (uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(send(*client, i), "");
    ASSERT_TRUE(client->flush().ok());
    EXPECT_EQ(receive(*server, i), "");
    server->freeze();
    old.push_back(server);
    const bool away = i % 2 == 0;
    server = adopt(*old.back(), away ? second_ : first_);
    old.back()->pass_on(bytes_of(away ? "second" : "first"));
  }
  ASSERT_TRUE(server->await_peer(monotonic_now() + kPatience).ok());
  EXPECT_EQ(followed_, 10);
  client->close(monotonic_now() + kPatience);
}

// The client's stripes lead to the old place; no chunk may end there.
TEST_F(Moves, BulkDataGoesToWhereTheSessionIs) {
  auto client = connect();
  std::shared_ptr<Session> server = first_.session();
  auto near = Bulk::make(*client, 2).value();
  auto far = Bulk::make(*server).value();
  std::vector<std::byte> sent(5u << 20, std::byte{3}), got(sent.size());
  ASSERT_TRUE(near->send(1, sent).ok());
  ASSERT_TRUE(far->expect(1, got).ok());
  ASSERT_TRUE(far->wait_received(1, monotonic_now() + kPatience).ok());
  ASSERT_TRUE(near->wait_sent(1, monotonic_now() + kPatience).ok());
  // The client is ready for one that has not begun.
  std::vector<std::byte> into(3u << 20), from(into.size(), std::byte{9});
  ASSERT_TRUE(near->expect(7, into).ok());
  while (far->awaited().empty()) std::this_thread::yield();
  server->freeze();
  auto there = adopt(*server, second_);
  auto beyond = Bulk::make(*there).value();
  ASSERT_TRUE(beyond->restore(far->awaited()).ok());
  server->pass_on(bytes_of("second"));
  std::fill(sent.begin(), sent.end(), std::byte{4});
  ASSERT_TRUE(near->send(2, sent).ok());
  ASSERT_TRUE(beyond->expect(2, got).ok());
  ASSERT_TRUE(beyond->send(7, from).ok());
  ASSERT_TRUE(beyond->wait_received(2, monotonic_now() + kPatience).ok());
  ASSERT_TRUE(near->wait_received(7, monotonic_now() + kPatience).ok());
  EXPECT_EQ(got, sent);
  EXPECT_EQ(into, from);
  client->close(monotonic_now() + kPatience);
}

TEST_F(Moves, AClientThatMayNotFollowIsToldSo) {
  SessionOptions options = test_options();
  auto client = Session::connect(first_.connector(), options).value();
  auto server = first_.session();
  server->freeze();
  server->pass_on(bytes_of("second"));
  while (!client->ended()) std::this_thread::yield();
  EXPECT_THAT(client->status().error().message, HasSubstr("may not"));
}

TEST(SessionStateTest, ALieIsFound) {
  TestHost host;
  auto client = Session::connect(host.connector(), test_options()).value();
  auto server = host.session();
  Lane* lane = *client->lane(0);
  ASSERT_TRUE(lane->send(1, bytes_of("abc"), {}, Push::kNow).ok());
  ASSERT_TRUE((*server->lane(0))->receive(monotonic_now() + kPatience).ok());
  ASSERT_TRUE((*server->lane(3))->send(1, bytes_of("abc"), {}, Push::kNow).ok());
  server->freeze();
  const SessionState good = server->state(false).value();
  const auto refused = [](const SessionState& state) {
    Writer writer;
    EXPECT_TRUE(encode(state, writer).ok());
    return !decode_session_state(writer.bytes()).ok();
  };
  EXPECT_FALSE(refused(good));
  auto bad = good;
  bad.id = {};
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.lanes = 2;
  EXPECT_TRUE(refused(bad)) << "lane 3 is used";
  bad = good;
  bad.window = 17;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.lane[0].read += 1;
  EXPECT_TRUE(refused(bad)) << "more was read than came";
  bad = good;
  bad.lane[0].unread.push_back({std::byte{1}});
  EXPECT_TRUE(refused(bad));
  bad = good;
  std::swap(bad.lane[0], bad.lane[1]);
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.any = true;
  bad.arrivals = {9};
  EXPECT_TRUE(refused(bad));
  Writer writer;
  ASSERT_TRUE(encode(good, writer).ok());
  for (size_t size = 0; size < writer.bytes().size(); ++size)
    EXPECT_FALSE(decode_session_state(writer.bytes().first(size)).ok()) << size;
  server->thaw();
  client->close(monotonic_now() + kPatience);
}

}  // namespace
}  // namespace flexai::wire
