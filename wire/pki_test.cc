#include "wire/pki.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace flexai::wire {
namespace {

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("flexai-pki-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ / name; }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(Pki, AnEnrolledHostLoadsWhatWasSaved) {
  Folder folder;
  auto authority = make_authority("group", 10);
  ASSERT_TRUE(authority.ok()) << authority.error().message;
  auto host = issue(*authority, "gpu1", {"10.0.0.2", "gpu1.example", "fd00::2"}, 5);
  ASSERT_TRUE(host.ok()) << host.error().message;
  ASSERT_TRUE(save_certificate(folder.file("ca.crt"), authority->certificate).ok());
  ASSERT_TRUE(save_certificate(folder.file("host.crt"), host->certificate).ok());
  ASSERT_TRUE(save_key(folder.file("host.key"), host->key).ok());
  struct stat st {};
  ASSERT_EQ(::stat(folder.file("host.key").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  auto identity = load_identity(folder.path());
  ASSERT_TRUE(identity.ok()) << identity.error().message;
  EXPECT_EQ(identity->key, host->key);
  EXPECT_TRUE(TlsContext::make(*identity, TlsRole::kHost).ok());
}

TEST(Pki, AKeyThatOthersMayReadIsRefusedAndOneThatExistsIsKept) {
  Folder folder;
  auto authority = make_authority("group", 10);
  auto host = issue(*authority, "gpu1", {}, 5);
  ASSERT_TRUE(save_certificate(folder.file("ca.crt"), authority->certificate).ok());
  ASSERT_TRUE(save_certificate(folder.file("host.crt"), host->certificate).ok());
  ASSERT_TRUE(save_key(folder.file("host.key"), host->key).ok());
  EXPECT_EQ(save_key(folder.file("host.key"), "other").error().code, base::Code::kConflict);
  ASSERT_TRUE(load_identity(folder.path()).ok());
  ::chmod(folder.file("host.key").c_str(), 0640);
  auto identity = load_identity(folder.path());
  ASSERT_FALSE(identity.ok());
  EXPECT_EQ(identity.error().code, base::Code::kDenied);
  EXPECT_NE(identity.error().message.find("chmod 600"), std::string::npos);
}

TEST(Pki, CertificatesThatDoNotFitAreNamed) {
  auto authority = make_authority("group", 10);
  auto other = make_authority("group", 10);
  auto host = issue(*authority, "gpu1", {}, 5);
  EXPECT_TRUE(check(*host, authority->certificate).ok());
  EXPECT_EQ(check(*host, other->certificate).error().code, base::Code::kDenied);
  auto second = issue(*authority, "gpu2", {}, 5);
  EXPECT_FALSE(check({host->certificate, second->key}, authority->certificate).ok());
  auto expired = issue(*authority, "gpu1", {}, -1);
  auto late = check(*expired, authority->certificate);
  ASSERT_FALSE(late.ok());
  EXPECT_NE(late.error().message.find("expired"), std::string::npos);
  EXPECT_FALSE(check({"nonsense", host->key}, authority->certificate).ok());
}

TEST(Pki, NamesCannotCarryOptionsIntoTheCertificate) {
  auto authority = make_authority("group", 10);
  for (const char* name : {"", "a b", "a,DNS:evil", "a\nb", "dirName:x", "ge@x", "x:y"})
    EXPECT_FALSE(issue(*authority, "gpu1", {name}, 5).ok()) << name;
  EXPECT_FALSE(issue(*authority, "gpu1,DNS:evil", {}, 5).ok());
  EXPECT_FALSE(make_authority(std::string(65, 'x'), 5).ok());
}

// Shakes hands over a pair of sockets; what the host thinks of it.
base::Status meet(const TlsIdentity& client, const TlsIdentity& host) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  auto near = TlsContext::make(client, TlsRole::kClient),
       far = TlsContext::make(host, TlsRole::kHost);
  if (!near.ok()) return near.error();
  if (!far.ok()) return far.error();
  const auto deadline = base::monotonic_now() + 20 * base::kSecond;
  std::thread other(
      [&] { [[maybe_unused]] auto done = (*near)->secure(base::Fd(ends[0]), "gpu1", deadline); });
  auto met = (*far)->secure(base::Fd(ends[1]), "", deadline);
  other.join();
  if (!met.ok()) return met.error();
  EXPECT_EQ((*met)->peer().subject, "desk");
  return {};
}

TEST(Pki, ARevokedHostIsNotLetInAndOthersAre) {
  auto authority = make_authority("lab", 2).value();
  auto gpu1 = issue(authority, "gpu1", {}, 2).value();
  auto desk = issue(authority, "desk", {}, 2).value(),
       other = issue(authority, "other", {}, 2).value();
  TlsIdentity host{gpu1.certificate, gpu1.key, authority.certificate, ""};
  const TlsIdentity client{desk.certificate, desk.key, authority.certificate, ""};
  EXPECT_TRUE(meet(client, host).ok());
  host.revoked = revoke(authority, "", other.certificate).value();
  EXPECT_TRUE(meet(client, host).ok());
  host.revoked = revoke(authority, host.revoked, desk.certificate).value();
  const auto refused = meet(client, host);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, base::Code::kDenied);
  EXPECT_NE(refused.error().message.find("revoked"), std::string::npos) << refused.error().message;
  // A list that another authority signed says nothing, so nobody is let in on its word.
  host.revoked = revoke(make_authority("lab", 2).value(), "", other.certificate).value();
  EXPECT_FALSE(meet(client, host).ok());
}

}  // namespace
}  // namespace flexai::wire
