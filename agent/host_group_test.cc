#include "agent/host_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// A tree of files that looks like the kernel's; what it does by itself, tests do.
class HostGroupTest : public testing::Test {
 protected:
  void hierarchy(const std::string& name) {
    for (const char* group : {"", "/flexai", "/flexai/keeper"}) {
      fs::create_directories(top_ + "/" + name + group);
      put(name + group + "/cgroup.procs", "");
    }
  }
  void put(const std::string& name, const std::string& text) {
    std::ofstream(top_ + "/" + name) << text;
  }
  std::string there(const std::string& name) const {
    std::ifstream file(top_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  base::TemporaryFolder folder_;
  const std::string top_ = folder_.path();
};

TEST_F(HostGroupTest, EveryHierarchyOfVersionOne) {
  hierarchy("cpu");
  hierarchy("unified");
  fs::create_directories(top_ + "/not-one");
  fs::create_directory_symlink(top_ + "/cpu", top_ + "/cpuacct");
  EXPECT_THAT(hierarchies(top_), ElementsAre(top_ + "/cpu", top_ + "/unified"));
  ASSERT_TRUE(join_group(top_, "flexai/keeper").ok());
  EXPECT_EQ(there("cpu/flexai/keeper/cgroup.procs"), "0");
  EXPECT_EQ(there("unified/flexai/keeper/cgroup.procs"), "0");
  EXPECT_EQ(there("cpu/flexai/cgroup.procs"), "") << "only leaves have members in version 2";
}

TEST_F(HostGroupTest, VersionTwoIsOne) {
  hierarchy(".");
  hierarchy("system.slice");
  EXPECT_THAT(hierarchies(top_), ElementsAre(top_));
}

TEST_F(HostGroupTest, ProcessorsAndMemoryAreTakenOver) {
  hierarchy("cpuset");
  for (const char* group : {"", "/flexai", "/flexai/keeper"}) {
    put("cpuset" + std::string(group) + "/cpuset.cpus", *group == 0 ? "0-3\n" : "\n");
    put("cpuset" + std::string(group) + "/cpuset.mems", *group == 0 ? "0\n" : "");
  }
  ASSERT_TRUE(join_group(top_, "flexai/keeper").ok());
  EXPECT_THAT(there("cpuset/flexai/cpuset.cpus"), HasSubstr("0-3"));
  EXPECT_THAT(there("cpuset/flexai/keeper/cpuset.cpus"), HasSubstr("0-3"));
  EXPECT_THAT(there("cpuset/flexai/keeper/cpuset.mems"), HasSubstr("0"));
}

TEST_F(HostGroupTest, ErrorsNameTheFolder) {
  EXPECT_THAT(join_group(top_, "flexai").error().message, HasSubstr(top_));
  hierarchy("cpu");
  fs::remove(top_ + "/cpu/flexai/keeper/cgroup.procs");
  EXPECT_THAT(join_group(top_, "flexai/keeper").error().message, HasSubstr("cpu/flexai/keeper"));
}

TEST_F(HostGroupTest, NamesOfNoGroupAreRefused) {
  for (const char* name : {"", "/", "/flexai", "flexai/", "a//b", "..", "a/../b", "a b", "a\n"})
    EXPECT_FALSE(check_group_name(name).ok()) << name;
  EXPECT_FALSE(check_group_name(std::string(129, 'a')).ok());
  EXPECT_TRUE(check_group_name("flexai/worker-0123").ok());
}

TEST_F(HostGroupTest, DroppedWhereNobodyIs) {
  hierarchy("cpu");
  hierarchy("memory");
  fs::remove(top_ + "/cpu/flexai/keeper/cgroup.procs");  // the kernel's files do not keep a folder
  drop_host_group(top_, "flexai/keeper");
  EXPECT_FALSE(fs::exists(top_ + "/cpu/flexai/keeper"));
  EXPECT_TRUE(fs::exists(top_ + "/memory/flexai/keeper"));
}

}  // namespace
}  // namespace flexai::agent
