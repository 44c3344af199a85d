#include "wire/pki.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

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

}  // namespace
}  // namespace flexai::wire
