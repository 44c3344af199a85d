#include "agent/net_door.h"

#include <gtest/gtest.h>

namespace flexai::agent {
namespace {

TEST(Host, TextsOfHosts) {
  const std::pair<const char*, const char*> kGood[] = {
      {"gpu1", "tls:gpu1:7700"},          {"gpu1:7711", "tls:gpu1:7711"},
      {"10.0.0.7", "tls:10.0.0.7:7700"},  {"[fd00::1]", "tls:[fd00::1]:7700"},
      {"[fd00::1]:9", "tls:[fd00::1]:9"}, {":7711", "tls:0.0.0.0:7711"},
  };
  for (const auto& [text, endpoint] : kGood) {
    auto parsed = parse_host(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.error().message;
    EXPECT_EQ(wire::text_of(*parsed), endpoint);
  }
  for (const char* text : {"", "fd00::1", "gpu1:x", "gpu1:70000", "gpu1:1/name", "[fd00::1"})
    EXPECT_FALSE(parse_host(text).ok()) << text;
}

TEST(Sessions, Names) {
  EXPECT_TRUE(Sessions::is_name("00112233445566778899aabbccddeeff"));
  for (const char* text : {"", "gpu1", "00112233445566778899aabbccddeef",
                           "../../../../../../../../../../x", "00112233445566778899AABBCCDDEEFF"})
    EXPECT_FALSE(Sessions::is_name(text)) << text;
}

}  // namespace
}  // namespace flexai::agent
