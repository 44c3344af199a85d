#include "agent/published_programs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class PublishedProgramsTest : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& text) {
    const std::string path = from_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  size_t sets() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(to_), {}));
  }
  base::TemporaryFolder folder_;
  const std::string from_ = folder_.path() + "/from", to_ = folder_.path() + "/to";
  const std::string libraries_ = from_ + "/needed";
};

TEST_F(PublishedProgramsTest, ProgramsAndLibraries) {
  const auto worker = put("x/worker", "w");
  put("needed/one.so.1", "l");
  auto set = publish_programs({worker}, libraries_, to_);
  ASSERT_TRUE(set.ok());
  EXPECT_TRUE(fs::exists(set->libraries + "/one.so.1"));
  struct stat facts {};
  ASSERT_EQ(::stat((set->programs + "/worker").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0755u);
  EXPECT_EQ(publish_programs({worker}, libraries_, to_)->programs, set->programs);
  EXPECT_EQ(sets(), 1u);
}

TEST_F(PublishedProgramsTest, AnotherVersionLiesBeside) {
  const auto worker = put("worker", "old");
  auto old = publish_programs({worker}, libraries_, to_);
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old->libraries, "");
  put("worker", "new");
  auto fresh = publish_programs({worker}, libraries_, to_);
  ASSERT_TRUE(fresh.ok());
  EXPECT_NE(old->programs, fresh->programs);
  EXPECT_TRUE(fs::exists(old->programs + "/worker"));
  drop_unused_programs(to_, *fresh);
  EXPECT_FALSE(fs::exists(old->programs));
  EXPECT_TRUE(fs::exists(fresh->programs + "/worker"));
}

TEST_F(PublishedProgramsTest, WhatRunsStays) {
  fs::create_directories(from_);
  fs::copy_file("/usr/bin/sleep", from_ + "/worker");
  auto old = publish_programs({from_ + "/worker"}, libraries_, to_);
  ASSERT_TRUE(old.ok());
  const std::string program = old->programs + "/worker";
  const char* words[] = {program.c_str(), "60", nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, const_cast<char* const*>(words),
                          environ),
            0);
  drop_unused_programs(to_, {});
  EXPECT_TRUE(fs::exists(program));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  drop_unused_programs(to_, {});
  EXPECT_EQ(sets(), 0u);
}

TEST_F(PublishedProgramsTest, WhatIsMissingIsNamed) {
  const auto made = publish_programs({from_ + "/none"}, libraries_, to_);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().message, HasSubstr(from_ + "/none"));
}

}  // namespace
}  // namespace flexai::agent
