#include "kube/kubeconfig.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kube/yaml.h"

namespace flexai::kube {
namespace {

using base::Code;

constexpr const char* kConfig = R"(# comment
apiVersion: v1
kind: Config
current-context: prod
contexts:
- {name: test, context: {cluster: c2, user: u2}}
- name: prod
  context: {cluster: c1, user: u1, namespace: team}
clusters:
- name: c1
  cluster:
    server: https://10.0.0.1:6443
    certificate-authority-data: Q0EK
- name: c2
  cluster: {server: "https://[::1]:1", certificate-authority: pki/ca.crt, tls-server-name: kube}
users:
- name: u1
  user: {client-certificate-data: Q0VSVA==, client-key: ../key.pem}
- name: u2
  user: {tokenFile: token, token: stale}
)";

TEST(Kubeconfig, TheCurrentContextWithInlineAndFileData) {
  auto c = from_kubeconfig_text(kConfig, "", "/etc/kube");
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->server.host, "10.0.0.1");
  EXPECT_EQ(c->ns, "team");
  EXPECT_EQ(c->authority.text, "CA\n");
  EXPECT_EQ(c->certificate.text, "CERT");
  EXPECT_EQ(c->key.file, "/etc/kube/../key.pem");
  EXPECT_TRUE(c->verify);
}

TEST(Kubeconfig, AnotherContextWithATokenFileThatRotates) {
  auto c = from_kubeconfig_text(kConfig, "test", "/etc/kube");
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->authority.file, "/etc/kube/pki/ca.crt");
  EXPECT_EQ(c->tls_server_name, "kube");
  EXPECT_EQ(c->token.file, "/etc/kube/token");
  EXPECT_TRUE(c->token.text.empty());
  EXPECT_EQ(c->ns, "default");
}

std::string with_user(const std::string& user, const std::string& cluster = "server: https://x") {
  return "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
         "clusters: [{name: a, cluster: {" +
         cluster + "}}]\nusers: [{name: a, user: {" + user + "}}]\n";
}

TEST(Kubeconfig, WhatWouldMakeUsSomebodyElseIsRefusedByName) {
  for (auto [user, word] :
       {std::pair("exec: {command: aws}", "exec"),
        std::pair("auth-provider: {name: gcp}", "auth-provider"),
        std::pair("username: u, password: p", "username"), std::pair("as: root", "as"),
        std::pair("token: t, as-groups: [x]", "as-groups")}) {
    auto c = from_kubeconfig_text(with_user(user), "", "");
    ASSERT_FALSE(c.ok()) << user;
    EXPECT_EQ(c.error().code, Code::kUnsupported) << user;
    EXPECT_EQ(c.error().message.rfind(word, 0), 0u) << c.error().message;
  }
  EXPECT_EQ(
      from_kubeconfig_text(with_user("token: t", "server: https://x, proxy-url: http://p"), "", "")
          .error()
          .code,
      Code::kUnsupported);
}

TEST(Kubeconfig, WhatCannotBeIsInvalid) {
  for (const auto& bad :
       {with_user("token: 123"), with_user("client-certificate-data: '%%'"),
        with_user("client-certificate: x"), with_user("token: t", "server: x"),
        with_user("token: t", "server: http://10.0.0.1"),
        with_user("token: t", "server: https://x, insecure-skip-tls-verify: 1"),
        with_user("token: t",
                  "server: https://x, insecure-skip-tls-verify: true, "
                  "certificate-authority: f"),
        std::string("a: b"), std::string("[]"), std::string("{"), std::string("")}) {
    auto c = from_kubeconfig_text(bad, "", "");
    ASSERT_FALSE(c.ok()) << bad;
    EXPECT_EQ(c.error().code, Code::kInvalid) << bad;
  }
  auto none = from_kubeconfig_text(kConfig, "nowhere", "");
  EXPECT_EQ(none.error().code, Code::kNotFound);
}

TEST(Kubeconfig, OfSeveralFilesTheFirstThatDefinesANameWins) {
  auto folder =
      std::filesystem::temp_directory_path() / ("flexai-kubeconfig-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  auto write = [&folder](const char* name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  };
  std::string first = write("first", "clusters: [{name: c1, cluster: {server: 'https://first'}}]");
  std::string second = write("second", kConfig);
  auto c = from_kubeconfigs({first, (folder / "missing").string(), second}, "");
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->server.host, "first");
  EXPECT_EQ(from_kubeconfigs({(folder / "missing").string()}, "").error().code, Code::kNotFound);
  std::filesystem::remove_all(folder);
}

TEST(Base64, DecodesStrictly) {
  EXPECT_EQ(*base64_decoded(""), "");
  EXPECT_EQ(*base64_decoded("Zg=="), "f");
  EXPECT_EQ(*base64_decoded("Zm8="), "fo");
  EXPECT_EQ(*base64_decoded("Zm9v\nYmFy"), "foobar");
  EXPECT_EQ(*base64_decoded("//79"), "\xff\xfe\xfd");
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg==Zg==", "Zg===", "====", "Z-==", "=Zg="})
    EXPECT_FALSE(base64_decoded(bad).ok()) << bad;
}

TEST(Yaml, PlainScalarsHaveTypesAndQuotedOnesAreTexts) {
  auto value =
      json_from_yaml("a: 1\nb: '1'\nc: true\nd: ~\ne: 1.5\nf: 1.2.3\ng: [x, 0x1f, .inf]\nh:\n");
  ASSERT_TRUE(value.ok()) << value.error().message;
  EXPECT_EQ(
      value->dump(),
      R"({"a":1,"b":"1","c":true,"d":null,"e":1.5,"f":"1.2.3","g":["x","0x1f",".inf"],"h":null})");
}

TEST(Yaml, TricksAreRefusedWithTheirLine) {
  std::string deep;
  for (int i = 0; i < 50; ++i) deep += "[";
  for (const auto& bad :
       {std::string("a: &x 1\nb: *x"), std::string("a: 1\na: 2"), std::string("--- 1\n--- 2\n"),
        deep, std::string("a: [1"), std::string("? [1]\n: 2"), std::string("\ta: 1"),
        std::string("a: *none")}) {
    auto value = json_from_yaml(bad);
    ASSERT_FALSE(value.ok()) << bad;
    EXPECT_EQ(value.error().message.rfind("line ", 0), 0u) << value.error().message;
  }
}

}  // namespace
}  // namespace flexai::kube
