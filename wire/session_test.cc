#include "wire/session.h"

#include <sys/wait.h>
#include <unistd.h>

#include "wire/session_fixture.h"

namespace flexai::wire {
namespace {

std::unique_ptr<Session> connect(TestHost& host, SessionOptions options = test_options()) {
  auto session = Session::connect(host.connector(), std::move(options));
  EXPECT_TRUE(session.ok()) << (session.ok() ? "" : session.error().message);
  return std::move(session).value();
}

TEST(Session, CarriesMessagesBothWays) {
  TestHost host;
  auto client = connect(host);
  auto server = host.session();
  std::thread echoing = echo(server);
  Lane* lane = *client->lane(0);
  for (int i = 0; i < 100; ++i) {
    std::string text = "message " + std::to_string(i);
    ASSERT_TRUE(lane->send(static_cast<uint32_t>(i), bytes_of(text), {}, Push::kNow).ok());
    auto reply = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->tag, static_cast<uint32_t>(i));
    EXPECT_EQ(text_of(reply->body), text);
  }
  client->close(monotonic_now() + kPatience);
  echoing.join();
  EXPECT_NE(server->status().error().message.find("goodbye"), std::string::npos);
}

TEST(Session, LanesAreOrderedStreamsOfTheirOwn) {
  TestHost host;
  auto client = connect(host);
  auto server = host.session();
  constexpr int kLanes = 8, kMessages = 2000;
  std::vector<std::thread> threads;
  for (uint16_t id = 0; id < kLanes; ++id) {
    threads.emplace_back([&, id] {
      Lane* lane = *client->lane(id);
      for (uint32_t i = 0; i < kMessages; ++i)
        ASSERT_TRUE(lane->send(i, bytes_of(std::string(i % 50, 'x'))).ok());
      ASSERT_TRUE(lane->flush().ok());
    });
    threads.emplace_back([&, id] {
      Lane* lane = *server->lane(id);
      for (uint32_t i = 0; i < kMessages; ++i) {
        auto message = lane->receive(monotonic_now() + kPatience);
        ASSERT_TRUE(message.ok()) << message.error().message;
        ASSERT_EQ(message->tag, i);
        ASSERT_EQ(message->body.size(), i % 50);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LT(client->stats().frames_sent, kLanes * kMessages / 4u) << "messages travel in batches";
}

TEST(Session, ABatchGoesByItselfAfterAWhile) {
  TestHost host;
  auto client = connect(host);
  Lane* there = *host.session()->lane(3);
  ASSERT_TRUE((*client->lane(3))->send(9, bytes_of("late")).ok());
  auto message = there->receive(monotonic_now() + kPatience);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(text_of(message->body), "late");
}

TEST(Session, LargeMessagesTravelWholeAndTooLargeOnesAreRefused) {
  TestHost host;
  auto client = connect(host);
  std::thread echoing = echo(host.session());
  Lane* lane = *client->lane(0);
  std::string big(kMaxMessage, 'b');
  ASSERT_TRUE(lane->send(1, bytes_of("B"), bytes_of(std::string_view(big).substr(1))).ok());
  big[0] = 'B';
  auto reply = lane->receive(monotonic_now() + kPatience);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(text_of(reply->body), big);
  big.push_back('x');
  EXPECT_EQ(lane->send(1, bytes_of(big)).error().code, base::Code::kInvalid);
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, ASenderWithoutCreditWaitsAndMemoryStaysBounded) {
  SessionOptions options = test_options();
  options.window = options.lane_window = 256u << 10;
  TestHost host(options);
  auto client = connect(host, options);
  auto server = host.session();
  constexpr uint32_t kMessages = 3000;
  std::atomic<uint32_t> sent{0};
  std::thread sender([&] {
    Lane* lane = *client->lane(0);
    for (uint32_t i = 0; i < kMessages; ++i) {
      ASSERT_TRUE(lane->send(i, bytes_of(std::string(1000, 's'))).ok());
      sent = i + 1;
    }
    ASSERT_TRUE(lane->flush().ok());
  });
  // Nobody reads: the sender stands still after what the windows hold.
  uint32_t before = 0;
  do {
    before = sent;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  } while (sent != before || sent == 0);
  EXPECT_LE(sent * 1000u, (options.lane_window + options.window));
  EXPECT_LE(client->stats().unacknowledged, options.window);
  // Another lane is not held up.
  ASSERT_TRUE((*client->lane(1))->send(5, bytes_of("other"), {}, Push::kNow).ok());
  EXPECT_TRUE((*server->lane(1))->receive(monotonic_now() + kPatience).ok());
  Lane* lane = *server->lane(0);
  for (uint32_t i = 0; i < kMessages; ++i) {
    auto message = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(message.ok()) << message.error().message;
    ASSERT_EQ(message->tag, i);
  }
  sender.join();
}

TEST(Session, SinksGetMessagesInOrderWhoeverReceives) {
  TestHost host;
  auto client = connect(host);
  std::thread echoing = echo(host.session());
  std::atomic<uint32_t> next{0};
  std::atomic<bool> wrong{false};
  (*client->lane(1))->set_sink([&](const Message& message) {
    if (message.tag != next++) wrong = true;
  });
  Lane* push = *host.session()->lane(1);
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(push->send(i, bytes_of("pushed")).ok());
    if (i % 3 != 0) continue;
    ASSERT_TRUE(lane->send(i, {}, {}, Push::kNow).ok());
    ASSERT_TRUE(lane->receive(monotonic_now() + kPatience).ok());
  }
  ASSERT_TRUE(push->flush().ok());
  while (next < 300) std::this_thread::yield();
  EXPECT_FALSE(wrong);
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, ACutIsTakenUpAgainWithoutTheCallersNotice) {
  TestHost host;
  auto client = connect(host);
  auto server = host.session();
  std::thread echoing = echo(server);
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(lane->send(i, bytes_of("again"), {}, Push::kNow).ok());
    if (i % 5 == 0) client->cut();
    if (i % 7 == 0) server->cut();
    auto reply = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    ASSERT_EQ(reply->tag, i);
  }
  EXPECT_GT(client->stats().resumes, 20u);
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, EndsWithTheReasonWhenTheHostNoLongerKnowsIt) {
  TestHost host;
  auto client = connect(host);
  host.session();
  host.forget();
  auto message = (*client->lane(0))->receive(monotonic_now() + kPatience);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, base::Code::kUnavailable);
  EXPECT_NE(message.error().message.find("has ended"), std::string::npos);
  EXPECT_FALSE((*client->lane(0))->send(1, {}).ok());
}

TEST(Session, EndsWithTheReasonThatThePeerGives) {
  TestHost host;
  std::atomic<bool> told{false};
  SessionOptions options = test_options();
  options.on_end = [&](const base::Error&) { told = true; };
  auto client = connect(host, options);
  host.session()->end({.code = RefusalCode::kEnded, .text = "the worker died"});
  auto message = (*client->lane(0))->receive(monotonic_now() + kPatience);
  ASSERT_FALSE(message.ok());
  EXPECT_NE(message.error().message.find("the worker died"), std::string::npos);
  while (!told) std::this_thread::yield();
}

TEST(Session, EndsWhenTheGraceIsOver) {
  SessionOptions options = test_options();
  options.grace = 150 * kMillisecond;
  TestHost host(options);
  auto client = connect(host);
  auto server = host.session();
  host.set_closed(true);
  client->cut();
  base::Nanos begin = monotonic_now();
  auto message = (*client->lane(0))->receive(begin + kPatience);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, base::Code::kUnavailable);
  EXPECT_GE(monotonic_now() - begin, 140 * kMillisecond);
  message = (*server->lane(0))->receive(monotonic_now() + kPatience);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, base::Code::kUnavailable);
}

TEST(Session, AHostThatTakesConnectionsAndIsSilentDoesNotMakeTheGraceLonger) {
  SessionOptions options = test_options();
  options.grace = 150 * kMillisecond;
  TestHost host(options);
  std::atomic<bool> silent = false;
  std::vector<std::unique_ptr<Transport>> held;
  auto connected = Session::connect(
      [&](Purpose, base::Nanos) -> base::Result<std::unique_ptr<Transport>> {
        if (!silent) return host.open();
        auto [near, far] = make_fake_pair({});
        held.push_back(std::move(far));
        return std::move(near);
      },
      options);
  ASSERT_TRUE(connected.ok()) << connected.error().message;
  silent = true;
  (*connected)->cut();
  auto message = (*(*connected)->lane(0))->receive(monotonic_now() + kPatience);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, base::Code::kUnavailable) << message.error().message;
}

TEST(Session, ASilentConnectionIsReplaced) {
  SessionOptions options = test_options();
  options.silence = 20 * kMillisecond;
  TestHost host(options, [](int n) {
    return n == 0 ? FakeLink{.fault = Fault::kSilence, .direction = 1, .after = 1000} : FakeLink{};
  });
  auto client = connect(host, options);
  std::thread echoing = echo(host.session());
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(lane->send(i, bytes_of("anybody there"), {}, Push::kNow).ok());
    auto reply = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    ASSERT_EQ(reply->tag, i);
  }
  EXPECT_GE(client->stats().resumes, 1u);
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, APeerOfThisHostThatIsSlowIsNotReplaced) {
  SessionOptions options = test_options();
  options.silence = 10 * kMillisecond;
  TestHost host(options,
                [](int) { return FakeLink{.delay = 60 * kMillisecond, .tells_end = true}; });
  auto client = connect(host, options);
  std::thread echoing = echo(host.session());
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(lane->send(i, bytes_of("stopped?"), {}, Push::kNow).ok());
    auto reply = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    ASSERT_EQ(reply->tag, i);
  }
  EXPECT_EQ(client->stats().resumes, 0u);
  EXPECT_EQ(host.connections(), 1);
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, BytesThatChangeOnTheWayAreNoticedAndSentAgain) {
  TestHost host(test_options(), [](int n) {
    return FakeLink{.fault = n < 3 ? Fault::kFlip : Fault::kNone,
                    .direction = n % 2,
                    .after = 400u + 40u * static_cast<unsigned>(n),
                    .keeps_bytes = false};
  });
  auto client = connect(host);
  auto server = host.session();
  std::thread echoing = echo(server);
  Lane* lane = *client->lane(0);
  for (uint32_t i = 0; i < 50; ++i) {
    std::string text(20, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(lane->send(i, bytes_of(text), {}, Push::kNow).ok());
    auto reply = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    ASSERT_EQ(text_of(reply->body), text);
  }
  EXPECT_GE(client->stats().resumes, 1u);
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, AnotherProtocolOrSpecIsRefusedWithATextThatNamesBoth) {
  TestHost host;
  SessionOptions options = test_options();
  options.version.major = 9;
  options.version.build = "9.9.9";
  auto session = Session::connect(host.connector(), options);
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, base::Code::kUnsupported);
  EXPECT_NE(session.error().message.find("9.9.9 (protocol 9.0)"), std::string::npos);
  EXPECT_NE(session.error().message.find("test (protocol 1.0)"), std::string::npos);
  options = test_options();
  options.version.spec[0] = std::byte{0xee};
  session = Session::connect(host.connector(), options);
  ASSERT_FALSE(session.ok());
  EXPECT_NE(session.error().message.find("Spec ee070707"), std::string::npos)
      << session.error().message;
}

TEST(Session, AForkedChildIsRefusedAndTheParentGoesOn) {
  TestHost host;
  auto client = connect(host);
  std::thread echoing = echo(host.session());
  Lane* lane = *client->lane(0);
  pid_t child = ::fork();
  if (child == 0) {
    bool refused = !lane->send(1, {}).ok() && !lane->receive(0).ok() && !client->flush().ok() &&
                   !client->status().ok();
    client.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ASSERT_TRUE(lane->send(1, {}, {}, Push::kNow).ok());
  EXPECT_TRUE(lane->receive(monotonic_now() + kPatience).ok());
  client->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST(Session, EndsAtOnceWhenItsHostIsKnownToBeGone) {
  TestHost host;
  auto options = test_options();
  options.grace = 3600 * kSecond;  // not waited for
  std::atomic<bool> gone{false};
  auto session = Session::connect(
      [&](Purpose purpose, base::Nanos deadline) -> base::Result<std::unique_ptr<Transport>> {
        if (gone) return base::fail(base::Code::kNotFound, "nobody listens");
        return host.connector()(purpose, deadline);
      },
      options);
  ASSERT_TRUE(session.ok());
  gone = true;
  (*session)->cut();
  auto message = (*(*session)->lane(0))->receive(0);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().message, "nobody listens");
}

TEST(Session, WhoWaitsForASinkRunsIt) {
  TestHost host;
  auto session = Session::connect(host.connector(), test_options());
  ASSERT_TRUE(session.ok());
  auto other = echo(host.session());
  std::atomic<int> got{0};
  Lane* lane = *(*session)->lane(0);
  lane->set_sink([&](const Message&) { ++got; });
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(lane->send(7, bytes_of("x"), {}, Push::kNow).ok());
    ASSERT_TRUE((*session)->wait([&] { return got > i; }, 0).ok());
  }
  // Several at once: each is woken by what another one read.
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i)
    waiters.emplace_back(
        [&] { EXPECT_TRUE((*session)->wait([&] { return got == 110; }, 0).ok()); });
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(lane->send(7, bytes_of("x"), {}, Push::kNow).ok());
  for (auto& waiter : waiters) waiter.join();
  lane->set_sink({});
  (*session)->close(monotonic_now() + kSecond);
  other.join();
}

}  // namespace
}  // namespace flexai::wire
