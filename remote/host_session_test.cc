// A worker's session for a program of another host, without any driver: who is let in, and when it
// ends.
#include "remote/host_session.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>

#include "wire/dial.h"
#include "wire/frame.h"
#include "wire/pki.h"
#include "wire/socket.h"

namespace flexai::remote {
namespace {

using base::kSecond;
using base::monotonic_now;

constexpr char kName[] = "00112233445566778899aabbccddeeff";

struct Keys {
  wire::Certified authority = wire::make_authority("session", 2).value();
  wire::Certified worker = wire::issue(authority, "worker", {"127.0.0.1"}, 2).value();
  wire::Certified client = wire::issue(authority, "client", {}, 2).value();
};

class HostSessionTest : public testing::Test {
 protected:
  HostSessionTest() {
    folder_ = (std::filesystem::temp_directory_path() / "flexai-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    issuer_ = wire::make_lease_keys().value();
    listener_ = wire::listen_socket({wire::Carrier::kTls, "127.0.0.1", 0, ""}).value();
    port_ = wire::local_port(listener_.get()).value();
  }
  ~HostSessionTest() override { std::filesystem::remove_all(folder_); }

  std::string socket() const { return folder_ + "/worker"; }

  std::vector<std::byte> lease(int64_t valid, const std::string& session = kName) const {
    wire::Lease made{"gpu1", "desk", "card", session, 300, 1 << 20, 0, 0, ::time(nullptr) + valid};
    return wire::sign(made, issuer_.private_key).value();
  }

  base::Result<std::unique_ptr<HostSession>> open(std::vector<std::byte> first) {
    base::Fd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 8), 0);
    Appointment appointment;
    appointment.session = kName;
    appointment.client = "client";
    appointment.identity = {keys_.worker.certificate, keys_.worker.key, keys_.authority.certificate,
                            ""};
    appointment.issuer = issuer_.public_key;
    appointment.lease = std::move(first);
    HostSessionOptions options;
    options.patience = 20 * kSecond;
    return HostSession::open_on(std::move(listener), std::move(appointment), std::move(options));
  }

  // Connects as the program would; the connection is handed over as the agent would.
  base::Result<std::unique_ptr<wire::Session>> come(const wire::Certified& who,
                                                    std::vector<std::byte> with) {
    wire::TlsIdentity identity{who.certificate, who.key, keys_.authority.certificate, ""};
    FLEXAI_TRY_ASSIGN(auto tls, wire::TlsContext::make(identity, wire::TlsRole::kClient));
    std::thread agent([this] {
      auto accepted = wire::accept_socket(listener_.get(), monotonic_now() + 20 * kSecond);
      if (!accepted.ok()) return;
      EXPECT_TRUE(tell_worker(socket(), WorkerWord::kConnection, {}, &*accepted).ok());
    });
    wire::SessionOptions options;
    options.lease = std::move(with);
    auto session = wire::Session::connect(
        wire::make_connector({wire::Carrier::kTls, "127.0.0.1", port_, kName}, tls),
        std::move(options));
    agent.join();
    return session;
  }

  base::Fd connect_from(const char* address) const {
    base::Fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in from{}, to{};
    from.sin_family = to.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &from.sin_addr);
    ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    to.sin_port = htons(port_);
    EXPECT_EQ(::bind(made.get(), reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    EXPECT_EQ(::connect(made.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return made;
  }

  Keys keys_;
  wire::LeaseKeys issuer_;
  std::string folder_;
  base::Fd listener_;
  uint16_t port_ = 0;
};

TEST_F(HostSessionTest, TheClientWithItsLeaseComesIn) {
  auto host = open(lease(60));
  ASSERT_TRUE(host.ok()) << host.error().message;
  auto client = come(keys_.client, lease(60));
  ASSERT_TRUE(client.ok()) << client.error().message;
  ASSERT_TRUE((*host)->wait().ok());
}

TEST_F(HostSessionTest, OthersDoNot) {
  auto host = open(lease(60));
  ASSERT_TRUE(host.ok());
  const auto another = wire::issue(keys_.authority, "another", {}, 2).value();
  auto wrong_name = come(another, lease(60));
  ASSERT_FALSE(wrong_name.ok());
  EXPECT_NE(wrong_name.error().message.find("this session is for client"), std::string::npos);
  const Keys strangers;
  EXPECT_FALSE(come(strangers.client, lease(60)).ok());
  auto none = come(keys_.client, {});
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("lease"), std::string::npos);
  auto expired = come(keys_.client, lease(-1000));
  ASSERT_FALSE(expired.ok());
  EXPECT_NE(expired.error().message.find("expired"), std::string::npos);
  auto foreign = come(keys_.client, lease(60, "ffffffffffffffffffffffffffffffff"));
  ASSERT_FALSE(foreign.ok());
  EXPECT_NE(foreign.error().message.find("the lease is for session ffff"), std::string::npos);
  // None of them took the place of the one it is for.
  EXPECT_TRUE(come(keys_.client, lease(60)).ok());
  auto second = come(keys_.client, lease(60));
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("this worker has its client"), std::string::npos);
}

// Who knows a session's name, which is in the clear, keeps neither its client out nor the agent.
TEST_F(HostSessionTest, HandshakesThatAreNeverFinishedKeepNobodyOut) {
  auto host = open(lease(60));
  ASSERT_TRUE(host.ok());
  std::vector<base::Fd> strangers;
  for (int i = 0; i < 80; ++i) {
    strangers.push_back(connect_from("127.0.0.2"));
    auto accepted = wire::accept_socket(listener_.get(), monotonic_now() + 20 * kSecond);
    ASSERT_TRUE(accepted.ok());
    while (!tell_worker(socket(), WorkerWord::kConnection, {}, &*accepted).ok()) ::usleep(1000);
  }
  auto client = come(keys_.client, lease(60));
  ASSERT_TRUE(client.ok()) << client.error().message;
  ASSERT_TRUE(tell_worker(socket(), WorkerWord::kEnd, wire::bytes_of("it was deleted")).ok());
  [[maybe_unused]] auto waited =
      (*client)->wait([&] { return (*client)->ended(); }, monotonic_now() + 20 * kSecond);
  EXPECT_TRUE((*client)->ended());
}

// A client of this host that is gone before it could be told that it may come in.
TEST_F(HostSessionTest, AWorkerIsFreeAgainWhenItsClientGaveUp) {
  base::Fd listener(wire::listen_socket({wire::Carrier::kUnix, socket(), 0, ""}).value());
  HostSessionOptions options;
  options.patience = 20 * kSecond;
  auto host = HostSession::open_on(std::move(listener), std::nullopt, std::move(options));
  ASSERT_TRUE(host.ok());
  const pid_t child = ::fork();
  if (child == 0) {
    auto gone = wire::connect_socket({wire::Carrier::kUnix, socket(), 0, ""}, 0);
    wire::Hello hello;
    hello.window = hello.lane_window = 256u << 10;
    wire::Writer body, frame;
    encode(hello, body);
    wire::FrameHeader header;
    header.type = wire::FrameType::kHello;
    header.length = static_cast<uint32_t>(body.bytes().size());
    frame.raw(encode_header(header));
    frame.raw(body.bytes());
    // It stops reading, says hello, and ends.
    if (!gone.ok() || ::shutdown(gone->get(), SHUT_RD) != 0) ::_exit(1);
    const auto bytes = frame.bytes();
    [[maybe_unused]] auto sent = ::send(gone->get(), bytes.data(), bytes.size(), 0);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const base::Nanos begin = monotonic_now();
  auto over = (*host)->wait();
  if (over.ok()) {  // it was told before it had ended: then it is watched
    [[maybe_unused]] auto waited =
        (*over)->wait([&] { return (*over)->ended(); }, monotonic_now() + 20 * kSecond);
    EXPECT_TRUE((*over)->ended());
  } else {
    EXPECT_NE(over.error().message.find("process has ended"), std::string::npos);
  }
  EXPECT_LT(monotonic_now() - begin, 15 * kSecond);
}

TEST_F(HostSessionTest, AWorkerWithoutAValidLeaseDoesNotBegin) {
  EXPECT_FALSE(open(lease(-1000)).ok());
}

TEST_F(HostSessionTest, TheAgentsWordEndsIt) {
  auto host = open(lease(60));
  auto client = come(keys_.client, lease(60));
  ASSERT_TRUE(client.ok());
  auto session = (*host)->wait();
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(tell_worker(socket(), WorkerWord::kEnd, wire::bytes_of("slice x was deleted")).ok());
  const auto ended =
      (*client)->wait([&] { return (*client)->ended(); }, monotonic_now() + 20 * kSecond);
  EXPECT_TRUE((*client)->ended());
  EXPECT_NE((*client)->status().error().message.find("slice x was deleted"), std::string::npos);
}

TEST_F(HostSessionTest, ItEndsWithItsLeaseUnlessThatIsRenewed) {
  auto host = open(lease(2));
  auto client = come(keys_.client, lease(2));
  ASSERT_TRUE(client.ok());
  auto session = (*host)->wait();
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(tell_worker(socket(), WorkerWord::kLease, lease(6)).ok());
  // One that another key has signed changes nothing.
  const auto forger = wire::make_lease_keys().value();
  wire::Lease forged{"gpu1", "desk", "card", kName, 300, 1, 0, 0, ::time(nullptr) + 1000};
  ASSERT_TRUE(
      tell_worker(socket(), WorkerWord::kLease, wire::sign(forged, forger.private_key).value())
          .ok());
  const int64_t begin = ::time(nullptr);
  [[maybe_unused]] auto waited =
      (*session)->wait([&] { return (*session)->ended(); }, monotonic_now() + 60 * kSecond);
  EXPECT_TRUE((*session)->ended());
  EXPECT_GE(::time(nullptr) - begin, 4);  // not at the end of the first lease
  EXPECT_NE((*session)->status().error().message.find("lease has expired"), std::string::npos);
}

}  // namespace
}  // namespace flexai::remote
