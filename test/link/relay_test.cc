#include "test/link/relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "wire/carrier_fixture.h"

namespace flexai::link {
namespace {

using base::kSecond;
using base::monotonic_now;
using wire::Carrier;

class RunningRelay {
 public:
  explicit RunningRelay(const wire::Endpoint& to) {
    wire::Endpoint listen{Carrier::kTcp, "127.0.0.1", 0};
    if (to.carrier == Carrier::kTls) listen.carrier = Carrier::kTls;
    relay_ = std::move(Relay::make(listen, to)).value();
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_ = base::Fd(ends[0]);
    write_ = base::Fd(ends[1]);
    thread_ = std::thread([this] { relay_->run(read_.get(), STDERR_FILENO); });
  }
  ~RunningRelay() {
    say("quit");
    thread_.join();
  }
  void say(const std::string& line) {
    std::string text = line + "\n";
    EXPECT_EQ(::write(write_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  wire::Connector connector() {
    return wire::make_connector(relay_->endpoint(), wire::TestCertificates::get().client);
  }

 private:
  std::unique_ptr<Relay> relay_;
  base::Fd read_, write_;
  std::thread thread_;
};

void talk(wire::Session& session, int messages) {
  wire::Lane* lane = *session.lane(0);
  for (int i = 0; i < messages; ++i) {
    ASSERT_TRUE(
        lane->send(static_cast<uint32_t>(i), wire::bytes_of("over the link"), {}, wire::Push::kNow)
            .ok());
    auto reply = lane->receive(monotonic_now() + 20 * kSecond);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    ASSERT_EQ(reply->tag, static_cast<uint32_t>(i));
  }
}

TEST(Relay, ASessionSurvivesEveryKindOfCutOverTcpAndTls) {
  for (Carrier carrier : {Carrier::kTcp, Carrier::kTls}) {
    wire::SessionOptions options = wire::test_options();
    options.silence = 50 * base::kMillisecond;
    wire::CarrierHost host(carrier, options);
    RunningRelay relay(host.endpoint());
    auto client = wire::Session::connect(relay.connector(), options);
    ASSERT_TRUE(client.ok()) << client.error().message;
    std::thread echoing = wire::echo(host.session());
    talk(**client, 20);
    uint64_t resumes = 0;
    for (const char* how : {"fin", "rst", "silence", "half"}) {
      relay.say(std::string("cut ") + how);
      talk(**client, 20);
      EXPECT_GT((*client)->stats().resumes, resumes) << how;
      resumes = (*client)->stats().resumes;
    }
    relay.say("refuse on");
    relay.say("cut rst");
    std::thread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      relay.say("refuse off");
    });
    talk(**client, 5);
    later.join();
    (*client)->close(monotonic_now() + kSecond);
    echoing.join();
  }
}

TEST(Relay, CutsAtSampledBytesDeliverExactlyOnce) {
  wire::SessionOptions options = wire::test_options();
  options.silence = 30 * base::kMillisecond;
  options.handshake = 200 * base::kMillisecond;
  wire::CarrierHost host(Carrier::kTcp, options);
  RunningRelay relay(host.endpoint());
  for (int at = 250; at < 2500; at += 131) {
    for (const char* direction : {"up", "down"}) {
      for (const char* how : {"fin", "rst", "silence"}) {
        relay.say("after " + std::to_string(at) + " " + direction + " " + how);
        auto client = wire::Session::connect(relay.connector(), options);
        if (!client.ok()) continue;  // within the greeting
        std::shared_ptr<wire::Session> server = host.session();
        while (server->id() != (*client)->id()) server = host.session();
        std::thread echoing = wire::echo(server);
        talk(**client, 40);
        (*client)->close(monotonic_now() + kSecond);
        echoing.join();
      }
    }
  }
}

TEST(Relay, DelayAndBandwidthAreThere) {
  wire::CarrierHost host(Carrier::kTcp);
  RunningRelay relay(host.endpoint());
  auto client = wire::Session::connect(relay.connector(), wire::test_options());
  ASSERT_TRUE(client.ok());
  std::thread echoing = wire::echo(host.session());
  relay.say("delay 3000");
  base::Nanos begin = monotonic_now();
  talk(**client, 5);
  EXPECT_GE(monotonic_now() - begin, 5 * 6 * base::kMillisecond);
  relay.say("delay 0");
  relay.say("bandwidth 1000000");
  begin = monotonic_now();
  wire::Lane* lane = *(*client)->lane(0);
  ASSERT_TRUE(lane->send(1, wire::bytes_of(std::string(50000, 'x')), {}, wire::Push::kNow).ok());
  ASSERT_TRUE(lane->receive(monotonic_now() + 20 * kSecond).ok());
  EXPECT_GE(monotonic_now() - begin, 95 * base::kMillisecond);
  (*client)->close(monotonic_now() + kSecond);
  echoing.join();
}

}  // namespace
}  // namespace flexai::link
