#include "agent/published_libraries.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;

class PublishedLibrariesTest : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) {
    fs::create_directories(from_);
    std::ofstream(from_ + "/" + name) << text;
  }
  std::string there(const std::string& name) const {
    std::ifstream file(to_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  base::TemporaryFolder folder_;
  const std::string from_ = folder_.path() + "/from", to_ = folder_.path() + "/a/to";
};

TEST_F(PublishedLibrariesTest, OnlyLibrariesAndHooksForEverybodyToRead) {
  put("one.so", "1");
  put("flexai-check", "2");
  put("notes.txt", "x");
  ASSERT_TRUE(publish_libraries(from_, to_).ok());
  EXPECT_EQ(there("one.so"), "1");
  EXPECT_EQ(there("flexai-check"), "2");
  EXPECT_FALSE(fs::exists(to_ + "/notes.txt"));
  struct stat facts {};
  ASSERT_EQ(::stat((to_ + "/one.so").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0755u);
}

TEST_F(PublishedLibrariesTest, WhoHasTheOldOneKeepsIt) {
  put("one.so", "old");
  ASSERT_TRUE(publish_libraries(from_, to_).ok());
  const base::Fd user(::open((to_ + "/one.so").c_str(), O_RDONLY));
  put("one.so", "new, and longer");
  std::ofstream(to_ + "/one.so.new") << "of one that was killed";
  ASSERT_TRUE(publish_libraries(from_, to_).ok());
  char text[16] = "";
  EXPECT_EQ(::read(user.get(), text, sizeof text), 3);
  EXPECT_STREQ(text, "old");
  EXPECT_EQ(there("one.so"), "new, and longer");
  EXPECT_FALSE(fs::exists(to_ + "/one.so.new"));
}

TEST_F(PublishedLibrariesTest, EqualOnesStay) {
  put("one.so", "1");
  ASSERT_TRUE(publish_libraries(from_, to_).ok());
  struct stat before {
  }, after{};
  ::stat((to_ + "/one.so").c_str(), &before);
  ASSERT_TRUE(publish_libraries(from_, to_).ok());
  ::stat((to_ + "/one.so").c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(PublishedLibrariesTest, ErrorsNameWhatIsMissing) {
  const auto none = publish_libraries(from_, to_);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find(from_), std::string::npos);
  put("notes.txt", "x");
  put("flexai-check", "no library");
  EXPECT_FALSE(publish_libraries(from_, to_).ok());
}

}  // namespace
}  // namespace flexai::agent
