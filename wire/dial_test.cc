#include "wire/dial.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "wire/carrier_fixture.h"
#include "wire/exchange.h"
#include "wire/shm_layout.h"
#include "wire/socket.h"

namespace flexai::wire {
namespace {

class EveryCarrier : public testing::TestWithParam<Carrier> {};

INSTANTIATE_TEST_SUITE_P(Carriers, EveryCarrier,
                         testing::Values(Carrier::kUnix, Carrier::kShared, Carrier::kTcp,
                                         Carrier::kTls),
                         [](const auto& info) {
                           return text_of(Endpoint{info.param, "x", 1}).substr(0, 3) == "shm"
                                      ? std::string("shm")
                                      : text_of(Endpoint{info.param, "x", 1})
                                            .substr(0, info.param == Carrier::kUnix ? 4 : 3);
                         });

TEST_P(EveryCarrier, CarriesASessionWithCuts) {
  CarrierHost host(GetParam());
  auto client = Session::connect(host.connector(), test_options());
  ASSERT_TRUE(client.ok()) << client.error().message;
  std::thread echoing = echo(host.session());
  Lane* lane = *(*client)->lane(0);
  for (uint32_t i = 0; i < 300; ++i) {
    std::string text(i * 37 % 5000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(lane->send(i, bytes_of(text), {}, Push::kNow).ok());
    if (i % 50 == 49) (*client)->cut();
    auto reply = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    ASSERT_EQ(reply->tag, i);
    ASSERT_EQ(text_of(reply->body), text);
  }
  EXPECT_EQ((*client)->stats().resumes, 6u);
  (*client)->close(monotonic_now() + kPatience);
  echoing.join();
}

TEST_P(EveryCarrier, StreamsMoreThanFitsAnywhere) {
  CarrierHost host(GetParam());
  auto client = Session::connect(host.connector(), test_options());
  ASSERT_TRUE(client.ok()) << client.error().message;
  constexpr uint32_t kMessages = 300;
  std::thread sender([&] {
    Lane* lane = *(*client)->lane(5);
    std::string text(100000, 'x');
    for (uint32_t i = 0; i < kMessages; ++i) ASSERT_TRUE(lane->send(i, bytes_of(text)).ok());
    ASSERT_TRUE(lane->flush().ok());
  });
  Lane* lane = *host.session()->lane(5);
  for (uint32_t i = 0; i < kMessages; ++i) {
    auto message = lane->receive(monotonic_now() + kPatience);
    ASSERT_TRUE(message.ok()) << message.error().message;
    ASSERT_EQ(message->tag, i);
    ASSERT_EQ(message->body.size(), 100000u);
    ASSERT_EQ(message->body[99999], std::byte{'x'});
  }
  sender.join();
}

TEST_P(EveryCarrier, NoticesThatThePeerDied) {
  SessionOptions options = test_options();
  options.grace = 100 * kMillisecond;
  CarrierHost host(GetParam(), options);
  pid_t child = ::fork();
  if (child == 0) {
    auto client = Session::connect(host.connector(), options);
    for (;;) ::pause();
  }
  auto session = host.session();
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  auto message = (*session->lane(0))->receive(monotonic_now() + kPatience);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, base::Code::kUnavailable) << message.error().message;
}

// What a client sends meanwhile must not take the farewell away.
TEST_P(EveryCarrier, SaysWhyItEndsToAClientThatSends) {
  CarrierHost host(GetParam());
  for (int round = 0; round < 40; ++round) {
    auto client = Session::connect(host.connector(), test_options());
    ASSERT_TRUE(client.ok()) << client.error().message;
    auto there = host.session((*client)->id());
    std::thread echoing = echo(there);
    std::thread ending([&] {
      ::usleep(static_cast<useconds_t>(100 * round));
      there->end({.code = RefusalCode::kEnded, .text = "the lease has expired"});
    });
    Lane* lane = *(*client)->lane(0);
    base::Status sent;
    while (sent.ok()) sent = lane->send(1, bytes_of(std::string(100, 'x')), {}, Push::kNow);
    EXPECT_NE(sent.error().message.find("the lease has expired"), std::string::npos)
        << sent.error().message;
    ending.join();
    echoing.join();
  }
}

TEST_P(EveryCarrier, GarbageIsRefusedAndTheHostGoesOn) {
  CarrierHost host(GetParam());
  for (int round = 0; round < 3; ++round) {
    auto transport = host.connector()(Purpose::kCommands, monotonic_now() + kPatience);
    ASSERT_TRUE(transport.ok()) << transport.error().message;
    std::string garbage(4096, static_cast<char>(round * 50 + 1));
    ASSERT_TRUE(send_all(**transport, bytes_of(garbage), monotonic_now() + kPatience).ok());
    std::byte byte;
    EXPECT_FALSE(receive_all(**transport, {&byte, 1}, monotonic_now() + kPatience).ok());
  }
  EXPECT_TRUE(Session::connect(host.connector(), test_options()).ok());
}

TEST(Dial, KnocksAgainAtADoorThatIsFull) {
  const auto& certificates = TestCertificates::get();
  Endpoint endpoint{Carrier::kTls, "127.0.0.1", 0};
  auto listener = listen_socket(endpoint);
  ASSERT_TRUE(listener.ok()) << listener.error().message;
  endpoint.port = *local_port(listener->get());
  std::thread host([&] {
    for (int i = 0; i < 3; ++i)  // let go without a word
      EXPECT_TRUE(accept_socket(listener->get(), monotonic_now() + kPatience).ok());
    auto socket = accept_socket(listener->get(), monotonic_now() + kPatience);
    ASSERT_TRUE(socket.ok());
    auto greeted = greet_carrier(std::move(socket).value(), Carrier::kTls, certificates.host,
                                 monotonic_now() + kPatience);
    EXPECT_TRUE(greeted.ok()) << greeted.error().message;
  });
  auto dialed = dial(endpoint, certificates.client, monotonic_now() + kPatience);
  EXPECT_TRUE(dialed.ok()) << dialed.error().message;
  host.join();
}

TEST(Dial, GivesUpAtADoorThatStaysFull) {
  Endpoint endpoint{Carrier::kTls, "127.0.0.1", 0};
  auto listener = listen_socket(endpoint);
  ASSERT_TRUE(listener.ok()) << listener.error().message;
  endpoint.port = *local_port(listener->get());
  std::atomic<int> knocks{0};
  std::thread host([&] {
    while (accept_socket(listener->get(), monotonic_now() + base::kSecond / 2).ok()) ++knocks;
  });
  auto dialed = dial(endpoint, TestCertificates::get().client, monotonic_now() + base::kSecond / 4);
  ASSERT_FALSE(dialed.ok());
  EXPECT_EQ(dialed.error().code, base::Code::kUnavailable);
  EXPECT_NE(dialed.error().message.find("turned the connection away"), std::string::npos)
      << dialed.error().message;
  host.join();
  EXPECT_GT(knocks, 1);
}

TEST(Dial, TcpWithoutTlsIsForLoopbackOnly) {
  auto listening = listen_socket({Carrier::kTcp, "0.0.0.0", 0});
  ASSERT_FALSE(listening.ok());
  EXPECT_EQ(listening.error().code, base::Code::kDenied);
  auto connected =
      connect_socket({Carrier::kTcp, "192.0.2.1", 7700}, monotonic_now() + base::kSecond);
  ASSERT_FALSE(connected.ok());
  EXPECT_EQ(connected.error().code, base::Code::kDenied);
}

TEST(Dial, SomebodyElsesSocketIsLeftAlone) {
  CarrierHost host(Carrier::kUnix);
  auto again = listen_socket(host.endpoint());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, base::Code::kConflict);
}

TEST(Dial, CertificatesOfOthersAreRefusedByBothSides) {
  CarrierHost host(Carrier::kTls);
  TestCertificates others;
  auto connect = [&](std::shared_ptr<TlsContext> tls, const std::string& name) {
    Endpoint endpoint = host.endpoint();
    endpoint.place = name;
    return Session::connect(make_connector(endpoint, std::move(tls)), test_options());
  };
  auto wrong_authority = connect(others.client, "127.0.0.1");
  ASSERT_FALSE(wrong_authority.ok());
  EXPECT_EQ(wrong_authority.error().code, base::Code::kDenied);
  EXPECT_NE(wrong_authority.error().message.find("127.0.0.1"), std::string::npos);
  // Trusts the host, but is not trusted.
  auto stranger = issue(others.authority, "stranger", {}, 1);
  auto tls = TlsContext::make(
      {stranger->certificate, stranger->key, TestCertificates::get().authority.certificate},
      TlsRole::kClient);
  EXPECT_FALSE(connect(*tls, "127.0.0.1").ok());
  // The right authority, the wrong host.
  base::Nanos deadline = monotonic_now() + kPatience;
  auto socket = connect_socket(host.endpoint(), deadline);
  ASSERT_TRUE(socket.ok());
  auto wrong_name =
      TestCertificates::get().client->secure(std::move(*socket), "gpu2.example", deadline);
  ASSERT_FALSE(wrong_name.ok());
  EXPECT_EQ(wrong_name.error().code, base::Code::kDenied) << wrong_name.error().message;
  EXPECT_TRUE(connect(TestCertificates::get().client, "localhost").ok());
}

TEST(Dial, ASessionOfAnotherCertificateCannotBeTakenUp) {
  CarrierHost host(Carrier::kTls);
  auto client = Session::connect(host.connector(), test_options());
  ASSERT_TRUE(client.ok());
  auto other = TestCertificates::get().context("other", TlsRole::kClient);
  auto transport = dial(host.endpoint(), other, monotonic_now() + kPatience);
  ASSERT_TRUE(transport.ok());
  Hello hello;
  hello.version = test_options().version;
  hello.session = (*client)->id();
  hello.key = (*client)->key();
  hello.epoch = 5;
  hello.window = hello.lane_window = 1u << 20;
  Writer writer;
  encode(hello, writer);
  base::Nanos deadline = monotonic_now() + kPatience;
  ASSERT_TRUE(send_frame(**transport, FrameType::kHello, writer.bytes(), deadline).ok());
  auto frame = receive_frame(**transport, kMaxGreeting, deadline);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->header.type, FrameType::kRefuse);
  EXPECT_EQ(decode_refusal(frame->payload)->code, RefusalCode::kDenied);
}

// What a hostile client offers as shared memory.
base::Result<std::unique_ptr<Transport>> take(ShmOffer offer, int fd) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  base::Fd near(ends[0]), far(ends[1]);
  EXPECT_TRUE(send_with_fds(near.get(), std::as_bytes(std::span(&offer, 1)), {&fd, 1}).ok());
  return greet_carrier(std::move(far), Carrier::kUnix, nullptr, monotonic_now() + kPatience);
}

TEST(Dial, HalfAWordThatEndsIsNotWaitedFor) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ASSERT_EQ(::send(ends[0], "ab", 2, 0), 2);
  ::close(ends[0]);
  auto transport =
      greet_carrier(base::Fd(ends[1]), Carrier::kUnix, nullptr, monotonic_now() + kPatience);
  ASSERT_FALSE(transport.ok());
  EXPECT_EQ(transport.error().code, base::Code::kUnavailable);
}

TEST(Dial, SharedMemoryThatIsNotSealedOrNotOfItsSizeIsRefused) {
  ShmOffer offer{kShmMagic, kShmVersion, 65536};
  base::Fd good = base::make_memfd("t", kShmPage + 2 * 65536).value();
  EXPECT_TRUE(take(offer, good.get()).ok());
  base::Fd unsealed(::memfd_create("t", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(unsealed.get(), kShmPage + 2 * 65536), 0);
  EXPECT_FALSE(take(offer, unsealed.get()).ok());
  base::Fd shorter = base::make_memfd("t", kShmPage + 65536).value();
  EXPECT_FALSE(take(offer, shorter.get()).ok());
  for (uint64_t bytes : {uint64_t{0}, uint64_t{65537}, uint64_t{1} << 40, uint64_t{2048}}) {
    offer.ring_bytes = bytes;
    EXPECT_FALSE(take(offer, good.get()).ok()) << bytes;
  }
  offer = {kShmMagic, kShmVersion + 1, 65536};
  EXPECT_FALSE(take(offer, good.get()).ok());
}

TEST(Dial, AHostileWriterOfTheRingsWordsHarmsOnlyItsConnection) {
  base::Fd memory = base::make_memfd("t", kShmPage + 2 * 65536).value();
  auto mapping =
      base::Mapping::map(memory.get(), kShmPage, base::Mapping::Access::kReadWrite).value();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  base::Fd near(ends[0]);
  ShmOffer offer{kShmMagic, kShmVersion, 65536};
  int fd = memory.get();
  ASSERT_TRUE(send_with_fds(near.get(), std::as_bytes(std::span(&offer, 1)), {&fd, 1}).ok());
  auto transport =
      greet_carrier(base::Fd(ends[1]), Carrier::kUnix, nullptr, monotonic_now() + kPatience);
  ASSERT_TRUE(transport.ok());
  auto* page = mapping.as<ShmPage>();
  std::byte bytes[64];
  page->rings[0].head = uint64_t{1} << 63;
  EXPECT_FALSE((*transport)->receive(bytes).ok());
  page->rings[1].tail = 12345;  // more than was ever sent
  iovec part{bytes, sizeof bytes};
  EXPECT_FALSE((*transport)->send({&part, 1}).ok());
}

}  // namespace
}  // namespace flexai::wire
