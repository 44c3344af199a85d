#include "wire/endpoint.h"

#include <gtest/gtest.h>

namespace flexai::wire {
namespace {

TEST(Endpoint, TextsReadBack) {
  for (const char* text : {"unix:/run/a.sock", "shm:/run/a.sock", "tcp:127.0.0.1:7700",
                           "tls:gpu1.example:7700", "tls:[fd00::1]:1", "tls:gpu1:7700/0a1b"}) {
    auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint.ok()) << text;
    EXPECT_EQ(text_of(*endpoint), text);
  }
  EXPECT_EQ(*parse_endpoint("tls:[fd00::1]:77"), (Endpoint{Carrier::kTls, "fd00::1", 77, ""}));
  EXPECT_EQ(*parse_endpoint("tls:a:7/0b"), (Endpoint{Carrier::kTls, "a", 7, "0b"}));
}

TEST(Endpoint, BadTextsAreRefused) {
  for (const char* text : {"", "gpu1", "unix:", "udp:a:1", "tcp:host", "tcp:host:", "tcp::7700",
                           "tcp:host:65536", "tcp:host:7x", "tls:fd00::1:77", "tls:[]:77",
                           "tls:a:7/", "tls:a:7/B", "tls:a:7/a/b", "tcp:127.0.0.1:7/a"}) {
    auto endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint.ok()) << text;
    EXPECT_EQ(endpoint.error().code, base::Code::kInvalid);
  }
  EXPECT_FALSE(parse_endpoint("unix:" + std::string(108, 'p')).ok());
}

}  // namespace
}  // namespace flexai::wire
