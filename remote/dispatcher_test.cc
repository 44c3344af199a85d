// Caller and Dispatcher over a session of the fake network, and the page of their format.
#include "remote/dispatcher.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "remote/caller.h"
#include "wire/session_fixture.h"

namespace flexai::remote {
namespace {

using wire::Bytes;
using wire::bytes_of;
using wire::text_of;

struct Served {
  uint16_t entry;
  uint32_t number;
  std::string body;
};

// A client and a worker whose handler is the test's.
struct Pair {
  using Handle = std::function<base::Status(Dispatcher&, const Call&)>;
  explicit Pair(
      Handle handle, Caller::Sink sink = [](uint32_t, Bytes) {}) {
    auto made = wire::Session::connect(host.connector(), wire::test_options());
    if (!made.ok()) std::abort();  // nothing below could be done
    session = host.session();
    dispatcher = Dispatcher::make(*session).value();
    caller = Caller::make(std::move(made).value(), std::move(sink)).value();
    thread = std::thread([this, handle = std::move(handle)] {
      ended = dispatcher->run([&](const Call& call) { return handle(*dispatcher, call); });
    });
  }
  ~Pair() {
    caller->session().close(base::monotonic_now() + base::kSecond);
    thread.join();
  }

  wire::TestHost host;
  std::shared_ptr<wire::Session> session;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Caller> caller;
  base::Status ended;
  std::thread thread;
};

base::Status echo(Dispatcher& dispatcher, const Call& call) {
  if (call.number != 0) return dispatcher.reply(call.number, call.entry, call.body);
  return {};
}

TEST(Calls, OneThatStepsAsideDoesNotHoldTheOthers) {
  std::atomic<int> away{0}, others{0};
  Pair pair([&](Dispatcher& dispatcher, const Call& call) -> base::Status {
    const uint32_t number = call.number;
    if (call.entry == 1) {
      const Dispatcher::Away aside;
      ++away;
      while (others < 20) std::this_thread::yield();
    } else {
      ++others;
    }
    return dispatcher.reply(number, 7);
  });
  std::vector<std::thread> askers;
  for (int i = 0; i < 3; ++i)
    askers.emplace_back([&] {
      auto answer = pair.caller->ask(1, {});
      EXPECT_TRUE(answer.ok());
    });
  while (away < 3) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(pair.caller->ask(2, {}).ok());
  for (auto& asker : askers) asker.join();
  // All of them are there again.
  EXPECT_TRUE(pair.caller->ask(1, {}).ok());
}

TEST(Calls, AnAskedCallIsAnsweredWithCodeAndResults) {
  Pair pair(echo);
  auto answer = pair.caller->ask(77, bytes_of("words"));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->code, 77);
  EXPECT_EQ(text_of(answer->body), "words");
  EXPECT_EQ(pair.caller->counts().asked.load(), 1u);
}

TEST(Calls, ToldOnesArriveInOrderBeforeTheNextAskedOne) {
  std::vector<Served> served;
  Pair pair([&](Dispatcher& dispatcher, const Call& call) {
    served.push_back({call.entry, call.number, std::string(text_of(call.body))});
    return echo(dispatcher, call);
  });
  for (uint16_t i = 0; i < 300; ++i) ASSERT_TRUE(pair.caller->tell(i, bytes_of("x")).ok());
  ASSERT_TRUE(pair.caller->ask(300, {}).ok());
  ASSERT_EQ(served.size(), 301u);
  for (uint16_t i = 0; i < 300; ++i) {
    EXPECT_EQ(served[i].entry, i);
    EXPECT_EQ(served[i].number, 0u);
  }
  EXPECT_EQ(pair.caller->counts().asked.load(), 1u);
}

TEST(Calls, LongCallsAndRepliesTravelInParts) {
  Pair pair(echo);
  std::string large(3'000'001, 'a');
  for (size_t i = 0; i < large.size(); i += 17) large[i] = static_cast<char>('a' + i % 26);
  auto answer = pair.caller->ask(9, bytes_of(large));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_TRUE(text_of(answer->body) == large);
}

TEST(Calls, ThreadsAskAtOnce) {
  Pair pair(echo);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string body(static_cast<size_t>(t) * 40'000 + 1, static_cast<char>('a' + t));
      for (int i = 0; i < 20; ++i) {
        auto answer = pair.caller->ask(static_cast<uint16_t>(t), bytes_of(body));
        if (answer.ok() && answer->code == t && text_of(answer->body) == body) ++right;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 160);
}

TEST(Calls, WhatIsPushedComesBeforeALaterReply) {
  std::string pushed;
  Pair pair(
      [](Dispatcher& dispatcher, const Call& call) -> base::Status {
        FLEXAI_TRY(dispatcher.push(kFirstPush, bytes_of("one"), wire::Push::kLater));
        return echo(dispatcher, call);
      },
      [&](uint32_t, Bytes body) { pushed += text_of(body); });
  ASSERT_TRUE(pair.caller->ask(1, {}).ok());
  EXPECT_EQ(pushed, "one");
}

TEST(Calls, WhoWaitsForAPushReceivesIt) {
  std::atomic<bool> there{false};
  Pair pair([](Dispatcher& dispatcher, const Call&) { return dispatcher.push(kFirstPush, {}); },
            [&](uint32_t, Bytes) { there = true; });
  ASSERT_TRUE(pair.caller->tell(1, {}).ok());
  ASSERT_TRUE(pair.caller->flush().ok());
  EXPECT_TRUE(pair.caller->wait([&] { return there.load(); }).ok());
}

TEST(Calls, ABrokenCallEndsTheSessionForBoth) {
  Pair pair([](Dispatcher&, const Call&) -> base::Status {
    return base::fail(base::Code::kCorrupt, "nonsense about a call");
  });
  auto answer = pair.caller->ask(1, {});
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.error().message.find("nonsense about a call"), std::string::npos);
  EXPECT_FALSE(pair.caller->tell(2, {}).ok());
}

// The examples of the page: tag and body make entry, number and bytes.
TEST(Calls, ThePageIsRight) {
  std::ifstream page(FLEXAI_REMOTE_PAGE);
  ASSERT_TRUE(page.good());
  int examples = 0;
  for (std::string line; std::getline(page, line);) {
    std::istringstream words(line);
    std::string word, body_text, expected;
    uint32_t tag = 0, entry = 0, number = 0;
    if (!(words >> word >> word >> tag >> word >> body_text >> word >> entry) ||
        line.rfind("call tag ", 0) != 0)
      continue;
    words >> word >> number >> word >> expected;
    std::string body;
    for (size_t i = 0; i + 1 < body_text.size(); i += 2)
      body += static_cast<char>(std::stoi(body_text.substr(i, 2), nullptr, 16));
    const size_t head = (tag & kAsked) != 0 ? 4 : 0;
    wire::Reader reader(bytes_of(body));
    EXPECT_EQ(tag & kEntryMask, entry) << line;
    EXPECT_EQ(head == 0 ? 0 : reader.u32("number"), number) << line;
    EXPECT_EQ(body_text.substr(head * 2), expected) << line;
    ++examples;
  }
  EXPECT_EQ(examples, 2);
}

}  // namespace
}  // namespace flexai::remote
