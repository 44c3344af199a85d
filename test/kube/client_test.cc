// The client against a server that fails in every way.
#include "kube/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <mutex>
#include <set>

#include "test/kube/fault_server.h"
#include "wire/pki.h"

namespace flexai::test {
namespace {

using base::Code;
using base::kMillisecond;
using base::kSecond;
using kube::Call;
using kube::Reply;

kube::ClientOptions quick() {
  kube::ClientOptions options;
  options.rate = 0;
  options.first_backoff = kMillisecond;
  options.most_backoff = 10 * kMillisecond;
  options.transport.first_backoff = kMillisecond;
  options.transport.most_backoff = 20 * kMillisecond;
  return options;
}

std::unique_ptr<kube::Client> client_of(const FaultServer& server,
                                        const kube::ClientOptions& options = quick()) {
  return kube::Client::make(server.credentials(), options).value();
}

Call get(const std::string& path, base::Nanos timeout = 20 * kSecond) {
  Call call = kube::get_path(path);
  call.timeout = timeout;
  return call;
}
Call post(const std::string& path) {
  Call call = kube::create(kube::kPods, "a", "{}");
  call.path = path;
  return call;
}

// Answers the first requests as told, then 200 "ok".
class Script {
 public:
  using Step = std::function<void(FaultServer::AnswerPtr)>;
  explicit Script(std::vector<Step> steps) : steps_(std::move(steps)) {}
  void operator()(const SeenRequest&, FaultServer::AnswerPtr answer) {
    size_t index = (*seen_)++;
    if (index < steps_.size()) return steps_[index](answer);
    answer->whole(200, "ok");
  }
  int seen() const { return static_cast<int>(*seen_); }

 private:
  std::vector<Step> steps_;
  std::shared_ptr<std::atomic<size_t>> seen_ = std::make_shared<std::atomic<size_t>>(0);
};

Script::Step whole(int status, const std::string& retry_after = "") {
  return [=](FaultServer::AnswerPtr a) { a->whole(status, "no", retry_after); };
}

TEST(Client, ManyRequestsShareOneConnection) {
  std::mutex mutex;
  std::set<std::string> bodies;
  FaultServer server([&](const SeenRequest& seen, FaultServer::AnswerPtr answer) {
    std::lock_guard lock(mutex);
    bodies.insert(seen.body);
    answer->whole(200, seen.body);
  });
  auto client = client_of(server);
  constexpr int kCount = 2000;
  std::latch over(kCount);
  std::atomic<int> right{0};
  for (int i = 0; i < kCount; ++i) {
    Call call = kube::replace(kube::kPods, {"a", "b"}, std::to_string(i) + std::string(300, 'x'));
    client->send(call, nullptr, [&, body = call.body](Reply reply) {
      right += reply.ok() && reply.body == body;
      over.count_down();
    });
  }
  over.wait();
  EXPECT_EQ(right, kCount);
  EXPECT_EQ(bodies.size(), kCount);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, AStormOfErrorsIsOutlivedByWhatMayBeRepeated) {
  Script script({whole(500), whole(503), whole(502), whole(504)});
  FaultServer server(script);
  auto client = client_of(server);
  EXPECT_TRUE(client->wait(get("/x")).ok());
  EXPECT_EQ(script.seen(), 5);
  EXPECT_EQ(client->counts().repeated, 4u);
}

TEST(Client, ACreationIsNotRepeatedAfterAnError) {
  Script script({whole(500)});
  FaultServer server(script);
  auto client = client_of(server);
  Reply reply = client->wait(post("/x"));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.http, 500);
  EXPECT_EQ(script.seen(), 1);
  EXPECT_EQ(reply.failure->message, "POST /x: no (HTTP 500)");
}

TEST(Client, AStormThatDoesNotEndIsGivenUp) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr a) { a->whole(500, "no"); });
  auto client = client_of(server);
  EXPECT_EQ(client->wait(get("/x")).http, 500);
  EXPECT_EQ(client->counts().sent, 8u);
}

TEST(Client, ThrottlingIsWaitedOutAsLongAsTheServerSays) {
  Script script({whole(429, "1")});
  FaultServer server(script);
  auto client = client_of(server);
  base::Nanos began = base::monotonic_now();
  EXPECT_TRUE(client->wait(post("/x")).ok());
  EXPECT_GE(base::monotonic_now() - began, kSecond);
  EXPECT_EQ(client->counts().throttled, 1u);
}

TEST(Client, AWishBeyondTheTimeOutIsAnAnswer) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr a) { a->whole(429, "", "60"); });
  auto client = client_of(server);
  Reply reply = client->wait(get("/x", 2 * kSecond));
  EXPECT_EQ(reply.http, 429);
  EXPECT_EQ(reply.failure->retry_after, 60 * kSecond);
  EXPECT_EQ(client->counts().sent, 1u);
}

TEST(Client, ConflictsAreToldAtOnce) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr a) {
    a->whole(409, R"({"kind":"Status","reason":"Conflict","message":"modified"})");
  });
  auto client = client_of(server);
  Reply reply = client->wait(kube::replace(kube::kPods, {"a", "b"}, "{}"));
  EXPECT_EQ(reply.failure->code, Code::kConflict);
  EXPECT_EQ(reply.failure->reason, "Conflict");
  EXPECT_EQ(client->counts().sent, 1u);
}

TEST(Client, ACutBeforeTheAnswerIsRepeatedOnlyWhereThatDoesNoHarm) {
  auto cut = [](FaultServer::AnswerPtr a) { a->cut(); };
  Script script({cut, cut});
  FaultServer server(script);
  auto client = client_of(server);
  EXPECT_TRUE(client->wait(get("/x")).ok());
  EXPECT_EQ(script.seen(), 3);
  Script creation({cut});
  FaultServer other(creation);
  auto second = client_of(other);
  Reply reply = second->wait(post("/x"));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure->code, Code::kUnavailable);
  EXPECT_FALSE(reply.failure->unprocessed);
  EXPECT_EQ(creation.seen(), 1);
}

TEST(Client, ACutWithinTheAnswerIsNoAnswer) {
  Script script({[](FaultServer::AnswerPtr a) {
    a->begin(200);
    a->send("{\"half\":");
    a->cut();
  }});
  FaultServer server(script);
  auto client = client_of(server);
  EXPECT_EQ(client->wait(get("/x")).body, "ok");
}

TEST(Client, WhatTheServerRefusedToLookAtIsRepeatedWhateverItIs) {
  Script script({[](FaultServer::AnswerPtr a) { a->reset(7); },  // REFUSED_STREAM
                 [](FaultServer::AnswerPtr a) { a->go_away(false); }});
  FaultServer server(script);
  auto client = client_of(server);
  Reply reply = client->wait(post("/x"));
  EXPECT_TRUE(reply.ok()) << reply.failure->message;
  EXPECT_EQ(script.seen(), 3);
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, GoAwayLetsWhatIsUnderWayEndAndTheRestGoElsewhere) {
  std::atomic<int> count{0};
  FaultServer server([&](const SeenRequest& seen, FaultServer::AnswerPtr answer) {
    if (++count % 10 == 0) answer->go_away(true);
    answer->whole(200, std::to_string(seen.connection));
  });
  auto client = client_of(server);
  for (int i = 0; i < 50; ++i) {
    Reply reply = client->wait(post("/x"));
    ASSERT_TRUE(reply.ok()) << reply.failure->message;
  }
  EXPECT_EQ(server.connections(), 5);
  EXPECT_EQ(client->counts().repeated, 0u);
}

TEST(Client, AServerThatComesLaterIsWaitedFor) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr a) { a->whole(200, "ok"); });
  server.refuse(true);
  auto options = quick();
  options.most_attempts = 1000;
  auto client = client_of(server, options);
  std::promise<Reply> reply;
  client->send(post("/x"), nullptr, [&](Reply r) { reply.set_value(std::move(r)); });
  ::usleep(100000);
  server.refuse(false);
  EXPECT_TRUE(reply.get_future().get().ok());
}

TEST(Client, NobodyThereIsSaidWithTheAddress) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr) {});
  server.refuse(true);
  auto client = client_of(server);
  Reply reply = client->wait(get("/x"));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure->code, Code::kUnavailable);
  EXPECT_NE(reply.failure->message.find("127.0.0.1:" + std::to_string(server.port())),
            std::string::npos);
  EXPECT_NE(reply.failure->message.find("refused"), std::string::npos) << reply.failure->message;
}

TEST(Client, SilenceEndsWithTheTimeOutAndTheConnectionIsAsked) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr) {});
  auto client = client_of(server);
  Reply reply = client->wait(get("/x", 200 * kMillisecond));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure->code, Code::kTimeout);
  EXPECT_FALSE(reply.failure->unprocessed);
}

TEST(Client, AServerThatTakesConnectionsAndSaysNothingIsLeft) {
  FaultServer::Options mute;
  mute.mute = true;
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr) {}, mute);
  auto options = quick();
  options.most_attempts = 2;
  options.transport.liveness.quiet = 50 * kMillisecond;
  options.transport.liveness.patience = 50 * kMillisecond;
  auto client = client_of(server, options);
  Reply reply = client->wait(get("/x"));
  ASSERT_FALSE(reply.ok());
  EXPECT_NE(reply.failure->message.find("does not answer"), std::string::npos)
      << reply.failure->message;
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, AnAnswerWithoutEndIsNotKept) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr answer) {
    answer->begin(200);
    for (int i = 0; i < 64; ++i) answer->send(std::string(64 << 10, 'x'));
    answer->finish();
  });
  auto client = client_of(server);
  Call call = get("/x");
  call.most_body = 1 << 20;
  Reply reply = client->wait(call);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure->code, Code::kExhausted);
  EXPECT_LE(reply.body.size(), call.most_body);
}

TEST(Client, GarbageInsteadOfHttp2EndsTheConnection) {
  Script script({[](FaultServer::AnswerPtr a) { a->raw("HTTP/1.1 400 Bad Request\r\n\r\n<html>"); },
                 [](FaultServer::AnswerPtr a) { a->raw(std::string(100000, '\xff')); }});
  FaultServer server(script);
  auto client = client_of(server);
  EXPECT_EQ(client->wait(get("/x")).body, "ok");
  EXPECT_EQ(server.connections(), 3);
}

TEST(Client, ATokenThatIsRefusedIsReadAgainOnce) {
  auto file =
      std::filesystem::temp_directory_path() / ("flexai-token-" + std::to_string(::getpid()));
  std::ofstream(file) << "old";
  std::atomic<int> seen{0};
  FaultServer server([&](const SeenRequest& request, FaultServer::AnswerPtr answer) {
    ++seen;
    answer->whole(request.authorization == "Bearer new" ? 200 : 401, "");
  });
  auto credentials = server.credentials();
  credentials.token.file = file;
  auto client = kube::Client::make(credentials, quick()).value();
  EXPECT_EQ(client->wait(get("/x")).http, 401);
  EXPECT_EQ(seen, 1);
  std::ofstream(file) << "new";
  EXPECT_TRUE(client->wait(post("/x")).ok());
  EXPECT_LE(seen, 3);
  std::filesystem::remove(file);
}

TEST(Client, OurOwnRateLimitHoldsAndUrgentCallsPass) {
  std::atomic<int> seen{0};
  FaultServer server([&](const SeenRequest&, FaultServer::AnswerPtr answer) {
    ++seen;
    answer->whole(200, "");
  });
  auto options = quick();
  options.rate = 0.01;
  options.burst = 5;
  auto client = client_of(server, options);
  std::atomic<int> answered{0};
  for (int i = 0; i < 50; ++i) client->send(get("/x"), nullptr, [&](Reply) { ++answered; });
  Call urgent = get("/lease");
  urgent.priority = kube::Priority::kUrgent;
  EXPECT_TRUE(client->wait(urgent).ok());
  EXPECT_LE(seen, 6);
  client.reset();  // answers what is open
  EXPECT_EQ(answered, 50);
}

TEST(Client, ACallThatNeverGetsItsTurnEndsWithItsTimeOut) {
  FaultServer server([&](const SeenRequest&, FaultServer::AnswerPtr a) { a->whole(200, ""); });
  auto options = quick();
  options.rate = 0.01;
  options.burst = 1;
  auto client = client_of(server, options);
  EXPECT_TRUE(client->wait(get("/x")).ok());
  Reply reply = client->wait(get("/x", 100 * kMillisecond));
  EXPECT_EQ(reply.failure->code, Code::kTimeout);
  EXPECT_TRUE(reply.failure->unprocessed);
}

TEST(Client, UrgentCallsFindRoomOnAConnectionThatIsFull) {
  FaultServer server([](const SeenRequest& seen, FaultServer::AnswerPtr answer) {
    if (seen.path == "/lease") answer->whole(200, "ok");
  });
  auto client = client_of(server);
  std::atomic<int> answered{0};
  for (int i = 0; i < 300; ++i) client->send(get("/x"), nullptr, [&](Reply) { ++answered; });
  for (int i = 0; i < 10; ++i) {
    Call urgent = get("/lease", 5 * kSecond);
    urgent.priority = kube::Priority::kUrgent;
    EXPECT_TRUE(client->wait(urgent).ok());
  }
  EXPECT_EQ(answered, 0);
}

TEST(Client, ANameIsLookedUpAndItsAddressesTriedInTurn) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr a) { a->whole(200, "ok"); });
  auto credentials = server.credentials();
  credentials.server.host = "localhost";  // also ::1, where nobody listens
  auto client = kube::Client::make(credentials, quick()).value();
  Reply reply = client->wait(get("/x"));
  EXPECT_TRUE(reply.ok()) << reply.failure->message;
}

TEST(Client, ClosingAnswersEverything) {
  FaultServer server([](const SeenRequest&, FaultServer::AnswerPtr) {});
  std::atomic<int> answered{0};
  auto client = client_of(server);
  for (int i = 0; i < 300; ++i)
    client->send(get("/x"), nullptr, [&](Reply reply) { answered += !reply.ok(); });
  client.reset();
  EXPECT_EQ(answered, 300);
}

struct Pki {
  wire::Certified authority = *wire::make_authority("kubernetes", 10);
  FaultServer::Options server(const std::vector<std::string>& names, int days) const {
    auto issued = *wire::issue(authority, "apiserver", names, days);
    FaultServer::Options options;
    options.tls = FaultServer::Tls{issued.certificate, issued.key};
    return options;
  }
};

void ok(const SeenRequest&, FaultServer::AnswerPtr answer) { answer->whole(200, "ok"); }

Reply over_tls(const FaultServer& server, const std::string& authority) {
  auto credentials = server.credentials();
  credentials.authority.text = authority;
  auto client = kube::Client::make(credentials, quick()).value();
  return client->wait(get("/x"));
}

TEST(ClientTls, AServerWhoseCertificateFitsIsSpokenWith) {
  Pki pki;
  FaultServer server(ok, pki.server({"127.0.0.1"}, 5));
  Reply reply = over_tls(server, pki.authority.certificate);
  EXPECT_TRUE(reply.ok()) << reply.failure->message;
}

TEST(ClientTls, WrongAuthorityNameOrDateIsDeniedWithTheReason) {
  Pki pki, other;
  FaultServer right(ok, pki.server({"127.0.0.1"}, 5));
  FaultServer elsewhere(ok, pki.server({"10.9.8.7"}, 5));
  FaultServer expired(ok, pki.server({"127.0.0.1"}, -1));
  for (auto [server, authority, word] : {std::tuple(&right, &other, "certificate"),
                                         std::tuple(&elsewhere, &pki, "IP address mismatch"),
                                         std::tuple(&expired, &pki, "expired")}) {
    Reply reply = over_tls(*server, authority->authority.certificate);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.failure->code, Code::kDenied) << reply.failure->message;
    EXPECT_NE(reply.failure->message.find(word), std::string::npos) << reply.failure->message;
    EXPECT_EQ(server->connections(), 1);
  }
}

TEST(ClientTls, ACertificateFileThatIsWrongIsNamed) {
  Pki pki;
  FaultServer server(ok, pki.server({"127.0.0.1"}, 5));
  Reply reply = over_tls(server, "no PEM");
  EXPECT_NE(reply.failure->message.find("no PEM certificate"), std::string::npos)
      << reply.failure->message;
}

}  // namespace
}  // namespace flexai::test
