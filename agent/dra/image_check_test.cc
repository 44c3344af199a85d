#include "agent/dra/image_check.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent::dra {
namespace {

namespace fs = std::filesystem;

#if defined(__aarch64__)
const std::string kTriplet = "aarch64-linux-gnu", kMusl = "lib/ld-musl-aarch64.so.1",
                  kLoader = "lib/ld-linux-aarch64.so.1";
#else
const std::string kTriplet = "x86_64-linux-gnu", kMusl = "lib/ld-musl-x86_64.so.1",
                  kLoader = "lib64/ld-linux-x86-64.so.2";
#endif

class ImageCheckTest : public testing::Test {
 protected:
  void file(const std::string& name) {
    fs::create_directories(fs::path(root_ + "/" + name).parent_path());
    std::ofstream(root_ + "/" + name) << "x";
  }
  void link(const std::string& name, const std::string& to) {
    fs::create_directories(fs::path(root_ + "/" + name).parent_path());
    fs::create_symlink(to, root_ + "/" + name);
  }
  std::string told() const {
    const base::Status fit = check_image(root_);
    return fit.ok() ? "" : fit.error().message;
  }
  void SetUp() override { fs::create_directories(root_); }
  const base::TemporaryFolder folder_;
  const std::string root_ = std::string(folder_.path()) + "/root";
};

TEST_F(ImageCheckTest, MuslIsRefusedWithTheWayOut) {
  file(kMusl);
  EXPECT_TRUE(told().starts_with("ImageUnfit: the image's C library is musl (/" + kMusl + ")"));
  EXPECT_NE(told().find("glibc 2.28 or later"), std::string::npos);
  EXPECT_EQ(check_image(root_).error().code, base::Code::kUnsupported);
}

TEST_F(ImageCheckTest, MuslBesideGlibcIsNone) {
  file(kMusl);
  file("usr/glibc-compat/lib/loader");
  link(kLoader, "/usr/glibc-compat/lib/loader");
  EXPECT_EQ(told(), "");
}

TEST_F(ImageCheckTest, WithoutALoaderThereIsNothingToSay) {
  EXPECT_EQ(told(), "");
  file("server");
  EXPECT_EQ(told(), "");
}

TEST_F(ImageCheckTest, GlibcMustNotBeTooOld) {
  for (const char* version : {"2.17", "2.27"}) {
    fs::remove_all(root_ + "/lib");
    link("lib/" + kTriplet + "/libc.so.6", std::string("libc-") + version + ".so");
    file("lib/" + kTriplet + "/libc-" + version + ".so");
    EXPECT_TRUE(
        told().starts_with(std::string("ImageUnfit: the image's C library is glibc ") + version))
        << told();
  }
  for (const char* version : {"2.28", "2.31", "2.33"}) {
    fs::remove_all(root_ + "/lib");
    link("lib/" + kTriplet + "/libc.so.6", std::string("libc-") + version + ".so");
    file("lib/" + kTriplet + "/libc-" + version + ".so");
    EXPECT_EQ(told(), "") << version;
  }
  fs::remove_all(root_ + "/lib");
  file("usr/lib64/libc.so.6");  // from 2.34 on
  EXPECT_EQ(told(), "");
}

TEST_F(ImageCheckTest, LinksAreFollowedInsideAlone) {
  // Of this host these would be found.
  link("lib", "../../../../../../../../../../lib");
  link("usr", "/usr");
  link("lib64", std::string("/proc/self/root") + "/lib64");
  EXPECT_EQ(told(), "");
  fs::remove(root_ + "/lib");
  file("elsewhere/" + kMusl.substr(4));
  link("lib", "/elsewhere");
  EXPECT_TRUE(told().starts_with("ImageUnfit: the image's C library is musl"));
}

TEST_F(ImageCheckTest, TheRootIsTheBundles) {
  const std::string bundle(folder_.path());
  const auto state = R"({"ociVersion":"1.2.0","id":"x","pid":7,"bundle":")" + bundle + "\"}";
  EXPECT_FALSE(container_root(state).ok()) << "there is no config.json";
  std::ofstream(bundle + "/config.json") << R"({"root":{"path":"rootfs","readonly":true}})";
  EXPECT_EQ(*container_root(state), bundle + "/rootfs");
  std::ofstream(bundle + "/config.json") << R"({"root":{"path":"/elsewhere"}})";
  EXPECT_EQ(*container_root(state), "/elsewhere");
  for (const char* wrong :
       {"", "[]", "{}", R"({"root":5})", R"({"root":{}})", R"({"root":{"path":1}})"}) {
    std::ofstream(bundle + "/config.json") << wrong;
    EXPECT_FALSE(container_root(state).ok()) << wrong;
  }
  for (const char* wrong : {"", "5", "{", R"({"bundle":5})"})
    EXPECT_FALSE(container_root(wrong).ok()) << wrong;
}

TEST_F(ImageCheckTest, WhatIsNotThereIsNoReasonToRefuse) {
  const base::Status none = check_image(root_ + "/none");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().code, base::Code::kUnsupported);
}

}  // namespace
}  // namespace flexai::agent::dra
