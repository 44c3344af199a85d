#include "wire/shared_key.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <thread>

#include "wire/codec.h"
#include "wire/exchange.h"
#include "wire/hello.h"
#include "wire/pki.h"

namespace flexai::wire {
namespace {

constexpr base::Nanos kPatience = 10 * base::kSecond;

base::Nanos soon() { return base::monotonic_now() + kPatience; }

std::shared_ptr<TlsContext> a_host() {
  static const Certified authority = *make_authority("a group", 1);
  const Certified own = *issue(authority, "host", {}, 1);
  return *TlsContext::make({own.certificate, own.key, authority.certificate, ""}, TlsRole::kHost);
}

class Handshake : public testing::Test {
 protected:
  using Ended = base::Result<std::unique_ptr<Transport>>;
  Ended at_host = base::fail(base::Code::kInternal, "none");
  Ended at_client = base::fail(base::Code::kInternal, "none");

  // A handshake of a client that has `key` with a host that has `known`.
  void shake(const SharedKey& key, const SharedKey& known) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    const auto host = a_host();
    host->accept_keys([&, name = *name_of(known)](const std::string& asked) {
      asked_ = asked;
      return asked == name ? std::optional(known) : std::nullopt;
    });
    std::thread other([&] { at_host = host->secure(base::Fd(ends[0]), "", soon()); });
    const auto client = *TlsContext::with_key(key);
    at_client = client->secure(base::Fd(ends[1]), "", soon(), "a session");
    if (!at_client.ok()) ::shutdown(ends[1], SHUT_RDWR);
    other.join();
  }
  std::string asked_;
};

TEST_F(Handshake, ProvesTheKeyToBothAndCarriesBytes) {
  const SharedKey key = *random_key();
  shake(key, key);
  ASSERT_TRUE(at_client.ok()) << at_client.error().message;
  ASSERT_TRUE(at_host.ok()) << at_host.error().message;
  EXPECT_EQ((*at_host)->peer().key, *name_of(key));
  EXPECT_EQ((*at_client)->peer().key, *name_of(key));
  EXPECT_EQ((*at_host)->peer().subject, "");
  EXPECT_EQ(asked_, *name_of(key));
  std::byte got[5];
  ASSERT_TRUE(send_all(**at_client, bytes_of("hello"), soon()).ok());
  ASSERT_TRUE(receive_all(**at_host, got, soon()).ok());
  EXPECT_EQ(text_of(got), "hello");
  ASSERT_TRUE(send_all(**at_host, bytes_of("there"), soon()).ok());
  ASSERT_TRUE(receive_all(**at_client, got, soon()).ok());
  EXPECT_EQ(text_of(got), "there");
}

TEST_F(Handshake, FailsWithAnotherKey) {
  shake(*random_key(), *random_key());
  EXPECT_FALSE(at_client.ok());
  EXPECT_FALSE(at_host.ok());
}

// The name goes in the clear: who has read it has nothing.
TEST_F(Handshake, FailsWithTheRightNameAlone) {
  const SharedKey key = *random_key(), other = *random_key();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const auto host = a_host();
  host->accept_keys([&](const std::string&) { return std::optional(other); });
  std::thread waiting([&] { at_host = host->secure(base::Fd(ends[0]), "", soon()); });
  at_client = (*TlsContext::with_key(key))->secure(base::Fd(ends[1]), "", soon(), "a session");
  waiting.join();
  EXPECT_FALSE(at_client.ok());
  EXPECT_FALSE(at_host.ok());
}

TEST_F(Handshake, OfAHostWithoutKeysFails) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const auto host = a_host();
  std::thread waiting([&] { at_host = host->secure(base::Fd(ends[0]), "", soon()); });
  at_client =
      (*TlsContext::with_key(*random_key()))->secure(base::Fd(ends[1]), "", soon(), "a session");
  waiting.join();
  EXPECT_FALSE(at_client.ok());
  EXPECT_FALSE(at_host.ok());
}

TEST(SharedKeyName, IsHexAndAnotherForEachKey) {
  const SharedKey key = *random_key();
  EXPECT_EQ(name_of(key)->size(), kSharedKeyName);
  EXPECT_NE(*name_of(key), *name_of(*random_key()));
}

}  // namespace
}  // namespace flexai::wire
