// A fixed exchange, cut at every byte of either direction in every way: each message is delivered
// exactly once and in order.
#include <deque>

#include "wire/session_fixture.h"

namespace flexai::wire {
namespace {

// Ours, the host's: 24 messages each way on two lanes, of mixed sizes, single and in batches.
constexpr uint32_t kMessages = 24;

std::string body(uint32_t i) { return std::string(i * 7 % 40, static_cast<char>('a' + i % 26)); }

std::string talk(Session& session, base::Nanos deadline) {
  Lane* lanes[2] = {*session.lane(0), *session.lane(1)};
  for (uint32_t i = 0; i < kMessages; ++i) {
    Lane* lane = lanes[i % 3 == 2];
    Push push = i % 4 == 3 ? Push::kNow : Push::kLater;
    auto sent = lane->send(i, bytes_of(body(i)), {}, push);
    if (!sent.ok()) return "send: " + sent.error().message;
    if (i % 8 != 7) continue;
    auto flushed = session.flush();
    if (!flushed.ok()) return "flush: " + flushed.error().message;
    for (uint32_t k = i - 7; k <= i; ++k) {
      auto message = lanes[k % 3 == 2]->receive(deadline);
      if (!message.ok()) return "receive " + std::to_string(k) + ": " + message.error().message;
      if (message->tag != k || text_of(message->body) != body(k))
        return "message " + std::to_string(message->tag) + " instead of " + std::to_string(k);
    }
  }
  for (Lane* lane : lanes)
    if (lane->poll().ok()) return "one message too many";
  return {};
}

struct Outcome {
  std::string failure;
  uint64_t resumes = 0;
};

Outcome run(const FakeLink& link) {
  SessionOptions options = test_options();
  options.batch_delay = base::kMillisecond;
  options.handshake = 100 * kMillisecond;
  if (link.fault == Fault::kSilence) {
    options.silence = 5 * kMillisecond;
    options.handshake = 50 * kMillisecond;
  }
  TestHost host(options, [&](int n) { return n == 0 ? link : FakeLink{}; });
  // A cut within the first greeting fails the connect; whoever asks again gets a session.
  auto client = Session::connect(host.connector(), options);
  for (int again = 0; again < 20 && !client.ok(); ++again)
    client = Session::connect(host.connector(), options);
  if (!client.ok()) return {"connect: " + client.error().message};
  std::shared_ptr<Session> server = host.session((*client)->id());
  base::Nanos deadline = monotonic_now() + kPatience;
  std::string far;
  std::thread there([&] { far = talk(*server, deadline); });
  std::string near = talk(**client, deadline);
  there.join();
  return {near + (far.empty() ? "" : " host: " + far), (*client)->stats().resumes};
}

class Cut : public testing::TestWithParam<Fault> {};

INSTANTIATE_TEST_SUITE_P(Ways, Cut, testing::Values(Fault::kFin, Fault::kReset, Fault::kSilence),
                         [](const auto& info) {
                           return info.param == Fault::kFin     ? "fin"
                                  : info.param == Fault::kReset ? "reset"
                                                                : "silence";
                         });

TEST_P(Cut, AtEveryByteOfBothDirectionsDeliversExactlyOnce) {
  // Until the fault lies behind the last byte: a run without a resume and a second connection.
  for (int direction = 0; direction < 2; ++direction) {
    std::atomic<uint64_t> next{0};
    std::atomic<bool> beyond{false};
    std::atomic<uint64_t> resumed{0};
    std::vector<std::thread> threads;
    // Silent ones mostly sleep.
    int parallel = GetParam() == Fault::kSilence ? 16 : 2;
    for (int t = 0; t < parallel; ++t) {
      threads.emplace_back([&] {
        while (!beyond) {
          uint64_t at = next++;
          Outcome outcome = run({.fault = GetParam(), .direction = direction, .after = at});
          EXPECT_EQ(outcome.failure, "") << "cut after byte " << at << " of " << direction;
          if (!outcome.failure.empty()) beyond = true;
          if (outcome.resumes > 0) resumed += 1;
          if (at > 2000) beyond = true;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_GT(resumed, 1000u) << "the cuts were there";
  }
}

}  // namespace
}  // namespace flexai::wire
