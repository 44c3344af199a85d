#include "kube/credentials.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace flexai::kube {
namespace {

using base::Code;

class Credential : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("flexai-credentials-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // As a kubelet does: a new file takes the old one's place.
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / ".new") << text;
    std::filesystem::rename(folder_ / ".new", folder_ / name);
    return folder_ / name;
  }
  std::filesystem::path folder_;
};

TEST_F(Credential, ATokenFileThatIsRotatedIsReadAgain) {
  Credentials c;
  c.token.file = write("token", "first\n");
  Token token(c);
  EXPECT_EQ(*token.current(), "first");
  EXPECT_FALSE(token.renew());
  write("token", "second");
  EXPECT_TRUE(token.renew());
  EXPECT_EQ(*token.current(), "second");
  // One that cannot be read for a moment is no reason to stop.
  std::filesystem::remove(folder_ / "token");
  EXPECT_FALSE(token.renew());
  EXPECT_EQ(*token.current(), "second");
}

TEST_F(Credential, ATokenIsOneWord) {
  for (const char* bad : {"", "\n", "a b", "a\r\nx: y", "a\x01"}) {
    Credentials c;
    c.token.file = write("token", bad);
    EXPECT_EQ(Token(c).current().error().code, Code::kInvalid) << bad;
  }
  Credentials none, missing;
  EXPECT_EQ(*Token(none).current(), "");
  missing.token.file = folder_ / "nothing";
  EXPECT_EQ(Token(missing).current().error().code, Code::kNotFound);
}

TEST_F(Credential, OfAPod) {
  write("token", "t");
  write("ca.crt", "CA");
  write("namespace", "flexai-system");
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  EXPECT_EQ(in_cluster(folder_).error().code, Code::kNotFound);
  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  auto c = in_cluster(folder_);
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->server.host, "fd00::1");
  EXPECT_EQ(c->ns, "flexai-system");
  EXPECT_EQ(load_tls(*c)->authorities, "CA");
  ::unsetenv("KUBERNETES_SERVICE_HOST");
}

TEST_F(Credential, ATokenNeverTravelsInTheClear) {
  Credentials c;
  c.server = *parse_server("http://10.0.0.1:80");
  c.token.text = "secret";
  EXPECT_EQ(check(c).error().code, Code::kInvalid);
  c.server = *parse_server("http://127.0.0.1:80");
  EXPECT_TRUE(check(c).ok());
}

}  // namespace
}  // namespace flexai::kube
