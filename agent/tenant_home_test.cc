#include "agent/tenant_home.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;

class TenantHomeTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(homes_->open().ok()); }
  std::string folder() const { return folder_.path() + "/tenants"; }
  void fill(const std::string& tenant, size_t bytes) {
    fs::create_directories(folder() + "/" + tenant + "/driver/a");
    std::ofstream(folder() + "/" + tenant + "/driver/a/b") << std::string(bytes, 'x');
  }
  size_t folders() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& each : fs::directory_iterator(folder())) ++count;
    return count;
  }
  // What happens on a thread of its own.
  static bool soon(const std::function<bool()>& done) {
    for (int i = 0; i < 1000 && !done(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return done();
  }

  base::TemporaryFolder folder_;
  std::shared_ptr<TenantHomes> homes_ =
      std::make_shared<TenantHomes>(folder_.path() + "/tenants", "", 100'000);
};

TEST_F(TenantHomeTest, EachTenantHasItsOwn) {
  EXPECT_EQ(tenant_name(1000, "").value(), "uid-1000");
  const std::string there = tenant_name(1000, "gpu1").value();
  EXPECT_EQ(there, tenant_name(0, "gpu1").value());
  EXPECT_NE(there, tenant_name(0, "gpu2").value());
  // Whatever a certificate calls a host is no way out of the folder.
  EXPECT_EQ(tenant_name(0, "../../x/uid-0").value().find('/'), std::string::npos);
  auto one = homes_->enter("uid-1"), other = homes_->enter("uid-2");
  ASSERT_TRUE(one.ok() && other.ok());
  struct stat first {
  }, second{};
  ASSERT_EQ(::fstat(one->get(), &first), 0);
  ASSERT_EQ(::fstat(other->get(), &second), 0);
  EXPECT_NE(first.st_ino, second.st_ino);
  EXPECT_EQ(first.st_mode & 0777, 0700u);
}

TEST_F(TenantHomeTest, WhatIsThereStays) {
  ASSERT_TRUE(homes_->enter("uid-1").ok());
  fill("uid-1", 1000);
  homes_->leave("uid-1");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(fs::exists(folder() + "/uid-1/driver/a/b"));
}

TEST_F(TenantHomeTest, AFullOneIsPutAsideAndGoesWhenNobodyUsesIt) {
  auto first = homes_->enter("uid-1");
  ASSERT_TRUE(homes_->enter("uid-1").ok());
  fill("uid-1", 300'000);
  homes_->leave("uid-1");
  ASSERT_TRUE(soon([&] { return !fs::exists(folder() + "/uid-1"); }));
  // The other session goes on with what it has.
  EXPECT_EQ(::faccessat(first->get(), "driver/a/b", F_OK, 0), 0);
  ASSERT_TRUE(homes_->enter("uid-1").ok());
  EXPECT_FALSE(fs::exists(folder() + "/uid-1/driver"));
  EXPECT_EQ(folders(), 2u);
  homes_->leave("uid-1");
  homes_->leave("uid-1");
  EXPECT_TRUE(soon([&] { return folders() == 1; }));
  EXPECT_TRUE(fs::exists(folder() + "/uid-1"));
}

TEST_F(TenantHomeTest, AnAgentThatComesBackKeepsWhatIsUsed) {
  ASSERT_TRUE(homes_->enter("uid-1").ok());
  ASSERT_TRUE(homes_->enter("uid-2").ok());
  for (const char* name : {"/aside-1.1-uid-1", "/aside-1.2-uid-2", "/uid-3"})
    fs::create_directory(folder() + name);
  const timespec old[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder() + "/uid-3").c_str(), old, 0), 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder() + "/uid-1").c_str(), old, 0), 0);
  auto next = std::make_shared<TenantHomes>(folder(), "", 100'000);
  next->count("uid-1");
  ASSERT_TRUE(next->open().ok());
  EXPECT_TRUE(soon([&] { return folders() == 3; }));
  EXPECT_TRUE(fs::exists(folder() + "/aside-1.1-uid-1"));
  EXPECT_TRUE(fs::exists(folder() + "/uid-1"));
  EXPECT_FALSE(fs::exists(folder() + "/uid-3"));
  next->leave("uid-1");
  EXPECT_TRUE(soon([&] { return !fs::exists(folder() + "/aside-1.1-uid-1"); }));
}

TEST_F(TenantHomeTest, ALinkIsNoFolder) {
  fs::create_directory(folder_.path() + "/elsewhere");
  fs::create_symlink(folder_.path() + "/elsewhere", folder() + "/uid-1");
  EXPECT_FALSE(homes_->enter("uid-1").ok());
}

TEST_F(TenantHomeTest, ThrownAway) {
  const std::string path = folder_.path() + "/once";
  ASSERT_TRUE(homes_->make_throw_away(path).ok());
  std::ofstream(path + "/a") << "x";
  homes_->drop_throw_away(path);
  EXPECT_TRUE(soon([&] { return !fs::exists(path); }));
}

}  // namespace
}  // namespace flexai::agent
