#include "agent/dra/cdi.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "agent/dra/file.h"
#include "base/temporary_folder.h"

namespace flexai::agent::dra {
namespace {

using nlohmann::json;

TEST(Cdi, ADeviceASliceWithItsDoorAndLibraries) {
  const std::vector<Variable> variables{{"VENDORS", "/usr/lib/x/libshim.so", "set"},
                                        {"MODE", "served", "set"}};
  const json file = json::parse(cdi_text({{"k-0b0c6a3e-0", "/run/flexai/doors/k-0b0c6a3e-0"},
                                          {"k-0b0c6a3e-1", "/elsewhere/k-0b0c6a3e-1"}},
                                         variables, "/var/lib/flexai/lib/flexai-image-check"));
  EXPECT_EQ(file["kind"], "xpu.flexai.io/slice");
  EXPECT_EQ(file["cdiVersion"], "0.3.0");
  ASSERT_EQ(file["devices"].size(), 2u);
  const json& edits = file["devices"][1]["containerEdits"];
  EXPECT_EQ(edits["env"], (json{"FLEXAI_WORKER=doors:/run/flexai/doors",
                                "VENDORS=/run/flexai/lib/libshim.so", "MODE=served"}));
  ASSERT_EQ(edits["mounts"].size(), 2u);
  EXPECT_EQ(edits["mounts"][0]["hostPath"], "/usr/lib/x/libshim.so");
  EXPECT_EQ(edits["mounts"][0]["containerPath"], "/run/flexai/lib/libshim.so");
  EXPECT_EQ(edits["mounts"][1]["hostPath"], "/elsewhere/k-0b0c6a3e-1");
  EXPECT_EQ(edits["mounts"][1]["containerPath"], "/run/flexai/doors/k-0b0c6a3e-1");
  for (const json& mount : edits["mounts"]) EXPECT_EQ(mount["options"][0], "ro");
  EXPECT_EQ(cdi_id("k-1"), "xpu.flexai.io/slice=k-1");
}

TEST(Cdi, TheImageIsCheckedOnceInTheContainersOwnNamespaces) {
  const std::vector<CdiSlice> slices{{"k-1-0", "/doors/k-1-0"}, {"k-1-1", "/doors/k-1-1"}};
  const json file = json::parse(cdi_text(slices, {}, "/usr/lib/flexai/flexai-image-check"));
  const json wanted{{"hookName", "createContainer"},
                    {"path", "/usr/lib/flexai/flexai-image-check"},
                    {"args", {"flexai-image-check"}},
                    {"timeout", 5}};
  EXPECT_EQ(file["containerEdits"], (json{{"hooks", json::array({wanted})}}));
  for (const json& device : file["devices"])
    EXPECT_FALSE(device["containerEdits"].contains("hooks")) << "once is enough";
  EXPECT_FALSE(json::parse(cdi_text(slices, {}, "")).contains("containerEdits"));
}

TEST(Cdi, FilesAreWrittenOnceFoundAndRemoved) {
  const base::TemporaryFolder folder;
  const std::string place = std::string(folder.path()) + "/cdi";
  ASSERT_TRUE(write_cdi(place, "0b0c", "text").ok());
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(cdi_file(place, "0b0c").c_str(), &before), 0);
  ASSERT_TRUE(write_cdi(place, "0b0c", "text").ok());
  ASSERT_EQ(::stat(cdi_file(place, "0b0c").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  ASSERT_TRUE(write_cdi(place, "0b0c", "other").ok());
  EXPECT_EQ(*read_file(cdi_file(place, "0b0c")), "other");
  ASSERT_TRUE(write_file(place + "/vendor.json", "{}", 0644).ok());
  EXPECT_EQ(claims_with_cdi(place), std::vector<std::string>{"0b0c"});
  remove_cdi(place, "0b0c");
  EXPECT_TRUE(claims_with_cdi(place).empty());
  EXPECT_TRUE(claims_with_cdi(place + "/none").empty());
}

TEST(Cdi, AFullDiskIsSaidAndLeavesNothing) {
  const base::Status written = write_cdi("/dev/full", "0b0c", "text");
  EXPECT_FALSE(written.ok());
  EXPECT_NE(written.error().message.find("/dev/full"), std::string::npos);
}

}  // namespace
}  // namespace flexai::agent::dra
