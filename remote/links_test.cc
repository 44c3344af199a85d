#include "remote/links.h"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>

#include "wire/exchange.h"
#include "wire/hello.h"
#include "wire/pki.h"
#include "wire/tls_context.h"

namespace flexai::remote {
namespace {

using base::Code;
using base::fail;
using base::kSecond;
using base::monotonic_now;

constexpr base::Nanos kLong = 10 * kSecond;

std::shared_ptr<wire::TlsContext> a_host() {
  static const wire::Certified authority = *wire::make_authority("a group", 1);
  const wire::Certified own = *wire::issue(authority, "host", {}, 1);
  return *wire::TlsContext::make({own.certificate, own.key, authority.certificate, ""},
                                 wire::TlsRole::kHost);
}

MoveTicket ticket(int number) {
  MoveTicket made{};
  made[0] = static_cast<std::byte>(number);
  return made;
}

// A source and a target.
class TwoWorkers : public testing::Test {
 protected:
  TwoWorkers() {
    target_.land({[this](const MoveTicket& shown, uint64_t size) { return open(shown, size); },
                  [this](const MoveTicket&, bool there) {
                    std::lock_guard lock(mutex_);
                    closed_.push_back(there);
                    return base::Status();
                  }});
  }

  base::Result<std::span<std::byte>> open(const MoveTicket& shown, uint64_t size) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(shown);
    if (found == places_.end() || found->second->size() != size)
      return fail(Code::kDenied, "no such ticket");
    std::span<std::byte> place(*found->second);
    places_.erase(found);
    return place;
  }

  // The target's side of one connection; what it says.
  base::Status serve(int end) {
    const auto tls = a_host();
    tls->accept_keys([this](const std::string& name) { return target_.key_named(name); });
    FLEXAI_TRY_ASSIGN(auto transport, tls->secure(base::Fd(end), "", monotonic_now() + kLong));
    if (transport->peer().key.empty()) return fail(Code::kDenied, "no key");
    return target_.take_in(std::move(transport));
  }

  // A connection with a key that the test speaks on by itself.
  base::Result<std::unique_ptr<wire::Transport>> speak(const wire::SharedKey& key) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    std::thread other([&] { served_ = serve(ends[0]); });
    const auto tls = *wire::TlsContext::with_key(key);
    auto mine = tls->secure(base::Fd(ends[1]), "", monotonic_now() + kLong, "a session");
    other.join();
    return mine;
  }

  base::Status link(const wire::SharedKey& key) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    std::thread other([&] { served_ = serve(ends[0]); });
    kept_ = base::Fd(::dup(ends[1]));
    base::Status opened =
        source_.open(base::Fd(ends[1]), {"a session", key}, monotonic_now() + kLong);
    other.join();
    return opened;
  }

  // Sends and waits for the word.
  base::Status send(const std::string& link, const MoveTicket& shown, wire::Bytes bytes) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<base::Status> said;
    source_.send(link, shown, bytes, [&](const base::Status& status) {
      std::lock_guard lock(mutex);
      said = status;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return said.has_value(); });
    return *said;
  }

  std::mutex mutex_;
  std::map<MoveTicket, std::vector<std::byte>*> places_;
  std::deque<bool> closed_;
  base::Status served_;
  base::Fd kept_;  // of the source's end
  Links target_, source_;
};

TEST_F(TwoWorkers, BytesGoWhereTheirTicketSays) {
  const auto key = *wire::random_key();
  ASSERT_TRUE(target_.allow(key).ok());
  ASSERT_TRUE(link(key).ok());
  const std::string name = *wire::name_of(key);
  std::vector<std::byte> first(3u << 20), second(70000), from(3u << 20, std::byte{5});
  places_ = {{ticket(1), &first}, {ticket(2), &second}};
  EXPECT_TRUE(send(name, ticket(2), std::span(from).first(70000)).ok());
  EXPECT_TRUE(send(name, ticket(1), from).ok());
  EXPECT_EQ(first, from);
  EXPECT_EQ(second, std::vector<std::byte>(70000, std::byte{5}));
}

TEST_F(TwoWorkers, ATicketIsGoodOnceAndForItsSize) {
  const auto key = *wire::random_key();
  ASSERT_TRUE(target_.allow(key).ok());
  ASSERT_TRUE(link(key).ok());
  const std::string name = *wire::name_of(key);
  std::vector<std::byte> place(1000), other(1000), from(1001, std::byte{5});
  places_ = {{ticket(1), &place}, {ticket(3), &other}};
  const auto fits = std::span(from).first(1000);
  EXPECT_EQ(send(name, ticket(2), fits).error().code, Code::kDenied);
  EXPECT_EQ(send(name, ticket(1), from).error().code, Code::kDenied);
  EXPECT_EQ(place[0], std::byte{0});
  EXPECT_TRUE(send(name, ticket(1), fits).ok());
  EXPECT_EQ(send(name, ticket(1), fits).error().code, Code::kDenied);
  // The link stays good.
  EXPECT_TRUE(send(name, ticket(3), fits).ok());
  EXPECT_EQ(send("another", ticket(3), fits).error().code, Code::kNotFound);
}

TEST_F(TwoWorkers, AKeyIsGoodOnce) {
  const auto key = *wire::random_key();
  ASSERT_TRUE(target_.allow(key).ok());
  ASSERT_TRUE(link(key).ok());
  EXPECT_FALSE(link(key).ok());
  EXPECT_FALSE(served_.ok());
}

TEST_F(TwoWorkers, AnUnknownKeyIsRefused) {
  EXPECT_FALSE(link(*wire::random_key()).ok());
  EXPECT_FALSE(served_.ok());
}

TEST_F(TwoWorkers, NoMoreKeysThanMayBe) {
  for (size_t i = 0; i < Links::kMostKeys; ++i)
    ASSERT_TRUE(target_.allow(*wire::random_key()).ok());
  EXPECT_EQ(target_.allow(*wire::random_key()).error().code, Code::kExhausted);
}

TEST(LinkKeys, AreForgottenWhenTheirTimeIsOver) {
  Links target(500 * base::kMillisecond);
  const auto key = *wire::random_key();
  const std::string name = *wire::name_of(key);
  ASSERT_TRUE(target.allow(key).ok());
  ASSERT_TRUE(target.key_named(name));
  for (size_t i = 1; i < Links::kMostKeys; ++i) ASSERT_TRUE(target.allow(*wire::random_key()).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_FALSE(target.key_named(name));
  // They take nobody's place either.
  EXPECT_TRUE(target.allow(*wire::random_key()).ok());
}

TEST_F(TwoWorkers, ACutIsToldToAllThatWait) {
  const auto key = *wire::random_key();
  ASSERT_TRUE(target_.allow(key).ok());
  ASSERT_TRUE(link(key).ok());
  const std::string name = *wire::name_of(key);
  std::vector<std::byte> place(8u << 20), from(8u << 20, std::byte{5});
  places_ = {{ticket(1), &place}};
  ::shutdown(kept_.get(), SHUT_RDWR);
  EXPECT_FALSE(send(name, ticket(1), from).ok());
  EXPECT_FALSE(send(name, ticket(1), from).ok());
}

// Garbage instead of a head: the link ends, and nothing else.
TEST_F(TwoWorkers, AHeadThatIsNoneEndsTheLink) {
  const auto key = *wire::random_key();
  ASSERT_TRUE(target_.allow(key).ok());
  auto hostile = speak(key);
  ASSERT_TRUE(hostile.ok());
  std::byte byte{};
  ASSERT_TRUE(wire::receive_all(**hostile, {&byte, 1}, monotonic_now() + kLong).ok());
  EXPECT_EQ(byte, kTaken);
  const std::vector<std::byte> garbage(kMoveHead, std::byte{0x55});
  ASSERT_TRUE(wire::send_all(**hostile, garbage, monotonic_now() + kLong).ok());
  EXPECT_EQ(wire::receive_all(**hostile, {&byte, 1}, monotonic_now() + kLong).error().code,
            Code::kUnavailable);
}

// What was begun and did not come whole is told to the object's side.
TEST_F(TwoWorkers, HalfOfTheBytesIsNone) {
  const auto key = *wire::random_key();
  ASSERT_TRUE(target_.allow(key).ok());
  auto half = speak(key);
  ASSERT_TRUE(half.ok());
  std::vector<std::byte> place(1000), from(500, std::byte{5});
  places_ = {{ticket(1), &place}};
  ASSERT_TRUE(
      wire::send_all(**half, encode(MoveHead{ticket(1), 1000}), monotonic_now() + kLong).ok());
  ASSERT_TRUE(wire::send_all(**half, from, monotonic_now() + kLong).ok());
  (*half)->shutdown();
  for (const base::Nanos end = monotonic_now() + kLong; monotonic_now() < end;) {
    {
      std::lock_guard lock(mutex_);
      if (!closed_.empty()) break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::lock_guard lock(mutex_);
  ASSERT_EQ(closed_.size(), 1u);
  EXPECT_FALSE(closed_.front());
}

}  // namespace
}  // namespace flexai::remote
