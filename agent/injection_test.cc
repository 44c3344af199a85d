#include "agent/injection.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

using base::Code;

class InjectionTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  base::TemporaryFolder folder_;
};

TEST_F(InjectionTest, ExpandsTheLibraryFolderAndChecksTheLibrary) {
  write("a.json", R"({"api":"a","prepend":{"LAYERS":"${libdir}/x.so"},"set":{"MODE":"on"}})");
  auto injection = Injection::load(folder_.path(), folder_.path());
  EXPECT_EQ(injection.variables({"a"}).error().code, Code::kUnavailable);
  write("x.so", "");
  auto variables = injection.variables({"a"});
  ASSERT_TRUE(variables.ok());
  ASSERT_EQ(variables->size(), 2u);
  EXPECT_EQ((*variables)[0].value, folder_ / "x.so");
  EXPECT_EQ((*variables)[0].how, "prepend");
  EXPECT_EQ((*variables)[1].how, "set");
}

TEST_F(InjectionTest, AnApiNobodyDescribedIsRefused) {
  auto injection = Injection::load(folder_.path(), "/lib");
  EXPECT_EQ(injection.variables({"b"}).error().code, Code::kUnsupported);
  EXPECT_TRUE(injection.variables({}).ok());
}

TEST_F(InjectionTest, DamagedFilesAreLeftOutAndTheOthersServe) {
  write("1.json", "not json");
  write("2.json", R"({"set":{"A":"b"}})");
  write("3.json", R"({"api":"x","set":{"A=B":"c"}})");
  write("4.json", R"({"api":"x","run":"rm"})");
  write("5.json", R"({"api":"good","set":{"A":"b"}})");
  auto injection = Injection::load(folder_.path(), "/lib");
  EXPECT_FALSE(injection.variables({"x"}).ok());
  EXPECT_TRUE(injection.variables({"good"}).ok());
}

TEST_F(InjectionTest, ServedProgramsGetTheirOwnVariablesAndTheApiItsWorker) {
  write("a.json", R"({"api":"a","prepend":{"LAYERS":"${libdir}/layer.so"},
                      "served":{"ICD":"${libdir}/icd.so"},"worker":"worker-a"})");
  write("b.json", R"({"api":"b","set":{"X":"y"}})");
  write("icd.so", "");
  auto injection = Injection::load(folder_.path(), folder_.path());
  EXPECT_EQ(injection.worker("a").value(), "worker-a");
  auto served = injection.served({"a"});
  ASSERT_TRUE(served.ok()) << served.error().message;
  ASSERT_EQ(served->size(), 1u);
  EXPECT_EQ((*served)[0].value, folder_ / "icd.so");
  EXPECT_EQ(injection.served({"b"}).error().code, Code::kUnsupported);
  EXPECT_EQ(injection.worker("c").error().code, Code::kUnsupported);
  EXPECT_EQ(injection.files(), std::vector<std::string>{folder_ / "layer.so"});
}

}  // namespace
}  // namespace flexai::agent
