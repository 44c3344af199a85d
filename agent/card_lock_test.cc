#include "agent/card_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/folders.h"
#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

using base::Code;
using testing::HasSubstr;

class CardLockTest : public testing::Test {
 protected:
  base::TemporaryFolder folder_;
  CardLockPlaces places_{folder_ / "locks", folder_ / "fallback-"};
};

TEST_F(CardLockTest, TheSecondHolderIsToldWhoTheFirstIs) {
  auto first = lock_card("card", "/run/first.sock", places_);
  ASSERT_TRUE(first.ok()) << first.error().message;
  auto second = lock_card("card", "/run/second.sock", places_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("pid " + std::to_string(getpid())));
  EXPECT_THAT(second.error().message, HasSubstr("/run/first.sock"));
}

TEST_F(CardLockTest, OtherCardsAreFreeAndAClosedLockIsToo) {
  auto first = lock_card("card", "s", places_);
  EXPECT_TRUE(lock_card("other", "s", places_).ok());
  first->reset();
  EXPECT_TRUE(lock_card("card", "s", places_).ok());
}

TEST_F(CardLockTest, ADuplicateHoldsTheLock) {
  auto first = lock_card("card", "s", places_);
  auto kept = first->duplicate();
  first->reset();
  EXPECT_FALSE(lock_card("card", "s", places_).ok());
}

TEST_F(CardLockTest, DoesNotFollowASymbolicLink) {
  { auto lock = lock_card("card", "s", places_); }
  std::string file;
  for (const auto& entry : std::filesystem::directory_iterator(places_.folder)) file = entry.path();
  ASSERT_EQ(unlink(file.c_str()), 0);
  const std::string victim = folder_ / "victim";
  std::ofstream(victim) << "precious";
  ASSERT_EQ(symlink(victim.c_str(), file.c_str()), 0);
  EXPECT_FALSE(lock_card("card", "s", places_).ok());
  std::string text;
  std::ifstream(victim) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(CardLockTest, AFolderOthersCanEmptyIsNotTrusted) {
  mkdir(places_.folder.c_str(), 0777);
  chmod(places_.folder.c_str(), 0777);
  auto lock = lock_card("card", "s", places_);
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(std::filesystem::is_empty(places_.folder)) << "the fallback should have been used";
  EXPECT_FALSE(lock_card("card", "s", places_).ok());
}

TEST(Folders, AnotherUsersFolderIsRefused) {
  base::TemporaryFolder folder;
  const std::string path = folder / "theirs";
  mkdir(path.c_str(), 0700);
  if (chown(path.c_str(), 12345, 12345) != 0) GTEST_SKIP() << "needs root";
  auto refused = make_own_folder(path, 0700);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("uid 12345"));
}

TEST(Folders, ALinkInThePlaceOfAFolderIsRefused) {
  base::TemporaryFolder folder;
  ASSERT_EQ(symlink("/tmp", (folder / "link").c_str()), 0);
  EXPECT_FALSE(make_own_folder(folder / "link", 0700).ok());
}

TEST(Folders, AFolderOthersWriteToIsRefused) {
  base::TemporaryFolder folder;
  mkdir((folder / "open").c_str(), 0777);
  chmod((folder / "open").c_str(), 0777);
  EXPECT_FALSE(make_own_folder(folder / "open", 0700).ok());
}

TEST(Folders, TwoAgentsNeverShareOne) {
  base::TemporaryFolder folder;
  auto first = lock_folder(folder.path(), "/run/x.sock");
  ASSERT_TRUE(first.ok());
  auto second = lock_folder(folder.path(), "/run/y.sock");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr("/run/x.sock"));
}

}  // namespace
}  // namespace flexai::agent
