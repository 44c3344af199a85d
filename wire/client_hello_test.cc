#include "wire/client_hello.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/fd.h"
#include "base/openssl.h"

namespace flexai::wire {
namespace {

// What OpenSSL's own client says first.
std::vector<std::byte> hello_for(const char* name) {
  base::SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  base::SslPtr ssl(SSL_new(context.get()));
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  if (name != nullptr) SSL_set_tlsext_host_name(ssl.get(), name);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  const std::string text = base::text_of(out);
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(ClientHello, NameIsFound) {
  auto name = server_name_in(hello_for("0123abcd.session.flexai"));
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->value(), "0123abcd.session.flexai");
  auto none = server_name_in(hello_for(nullptr));
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->value(), "");
}

TEST(ClientHello, EveryPrefixWaitsForMore) {
  const auto hello = hello_for("gpu1");
  for (size_t size = 0; size < hello.size(); ++size) {
    auto name = server_name_in(Bytes(hello).first(size));
    ASSERT_TRUE(name.ok()) << size;
    EXPECT_FALSE(name->has_value()) << size;
  }
}

// No length inside is believed: whatever byte is changed, the answer comes and nothing is read
// beyond the record.
TEST(ClientHello, EveryChangedByteIsTaken) {
  const auto hello = hello_for("gpu1");
  for (size_t at = 0; at < hello.size(); ++at) {
    for (int value : {0, 1, 0x7f, 0xff}) {
      std::vector<std::byte> changed = hello;
      changed[at] = static_cast<std::byte>(value);
      auto name = server_name_in(changed);
      if (name.ok() && name->has_value()) {
        EXPECT_LE((*name)->size(), 255u);
      }
    }
  }
  const char http[] = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_FALSE(server_name_in(std::as_bytes(std::span(http))).ok());
}

TEST(ClientHello, PeekLeavesTheBytes) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  base::Fd client(ends[0]), host(ends[1]);
  const auto hello = hello_for("gpu1");
  ASSERT_EQ(::send(client.get(), hello.data(), 9, 0), 9);
  std::thread rest([&] {
    ::usleep(5000);
    [[maybe_unused]] auto n = ::send(client.get(), hello.data() + 9, hello.size() - 9, 0);
  });
  auto name = peek_server_name(host.get(), base::monotonic_now() + 20 * base::kSecond);
  rest.join();
  ASSERT_TRUE(name.ok()) << name.error().message;
  EXPECT_EQ(*name, "gpu1");
  std::vector<std::byte> again(hello.size());
  EXPECT_EQ(::recv(host.get(), again.data(), again.size(), 0), static_cast<ssize_t>(hello.size()));
  EXPECT_EQ(again, hello);
}

// One that sends half a hello and goes must not keep its place at the door.
TEST(ClientHello, HalfOfOneThatEndsIsNotWaitedFor) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  base::Fd client(ends[0]), host(ends[1]);
  const auto hello = hello_for("gpu1");
  ASSERT_EQ(::send(client.get(), hello.data(), 9, 0), 9);
  client.reset();
  auto name = peek_server_name(host.get(), base::monotonic_now() + 20 * base::kSecond);
  ASSERT_FALSE(name.ok());
  EXPECT_EQ(name.error().code, base::Code::kUnavailable);
}

}  // namespace
}  // namespace flexai::wire
