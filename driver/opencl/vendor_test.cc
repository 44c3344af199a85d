#include "driver/opencl/vendor.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace flexai::driver::opencl {
namespace {

TEST(Vendor, PrefixComesFromTheLibraryName) {
  EXPECT_EQ(vendor_prefix("libpocl.so.2.10.0"), "pocl");
  EXPECT_EQ(vendor_prefix("/usr/lib/libRusticlOpenCL.so.1"), "rusticl");
  EXPECT_EQ(vendor_prefix("/usr/lib/oclgrind/liboclgrind-rt-icd.so"), "oclgrind");
  EXPECT_EQ(vendor_prefix("libnvidia-opencl.so.1"), "nvidia");
  EXPECT_EQ(vendor_prefix("libOpenCL.so.1"), "opencl");
  EXPECT_EQ(vendor_prefix(""), "opencl");
}

class IcdFiles : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/flexai-vendor-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override {
    unsetenv("OCL_ICD_VENDORS");
    unsetenv("OPENCL_VENDOR_PATH");
    std::filesystem::remove_all(folder_);
  }
  std::string add(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  std::string folder_;
};

TEST_F(IcdFiles, AreThoseOfTheFolderTheEnvironmentNames) {
  const std::string b = add("b.icd", "libb.so"), a = add("a.icd", "liba.so");
  add("notes.txt", "libc.so");
  setenv("OPENCL_VENDOR_PATH", folder_.c_str(), 1);
  EXPECT_EQ(icd_files(), (std::vector<std::string>{a, b}));
  setenv("OCL_ICD_VENDORS", b.c_str(), 1);
  EXPECT_EQ(icd_files(), std::vector<std::string>{b});
  setenv("OCL_ICD_VENDORS", (folder_ + "/nothing").c_str(), 1);
  EXPECT_TRUE(icd_files().empty());
}

TEST_F(IcdFiles, ThatCannotBeLoadedSayWhy) {
  const auto missing = load_vendor(add("m.icd", "  libflexai-missing.so \n"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, base::Code::kNotFound);
  EXPECT_NE(missing.error().message.find("m.icd: libflexai-missing.so"), std::string::npos);
  EXPECT_FALSE(load_vendor(add("empty.icd", "")).ok());
  EXPECT_FALSE(load_vendor(add("blank.icd", "  \n")).ok());
  EXPECT_FALSE(load_vendor(folder_ + "/none.icd").ok());
  const auto other = load_vendor(add("other.icd", "libm.so.6"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, base::Code::kUnsupported);
}

}  // namespace
}  // namespace flexai::driver::opencl
