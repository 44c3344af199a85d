#include "kube/server_address.h"

#include <gtest/gtest.h>

namespace flexai::kube {
namespace {

TEST(ServerAddress, ReadsWhatKubeconfigsHold) {
  auto plain = parse_server("https://10.0.0.1:6443");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->authority(), "10.0.0.1:6443");
  EXPECT_TRUE(plain->tls);
  auto rancher = parse_server("https://example.com/k8s/clusters/c1/");
  ASSERT_TRUE(rancher.ok());
  EXPECT_EQ(rancher->prefix, "/k8s/clusters/c1");
  EXPECT_EQ(rancher->port, 443);
  auto six = parse_server("https://[fd00::1]:6443");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->host, "fd00::1");
  EXPECT_EQ(six->authority(), "[fd00::1]:6443");
  EXPECT_FALSE(parse_server("http://127.0.0.1:8001")->tls);
}

TEST(ServerAddress, RefusesTheRest) {
  for (const char* bad :
       {"", "example.com", "ftp://x", "https://", "https://:1", "https://x:0", "https://x:70000",
        "https://x:y", "https://]k2:eax:3/", "https://[1.2.3.4]", "https://[x]", "https://a:b:1",
        "https://a b", "https://u@x", "https://x/?q", "https://[::1", "https://[::1]x",
        "https://x\r\ny"})
    EXPECT_FALSE(parse_server(bad).ok()) << bad;
}

}  // namespace
}  // namespace flexai::kube
