#include "agent/dra/sockets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"

namespace flexai::agent::dra {
namespace {

TEST(Sockets, OnlyTheDriversOwnAndNotTheseAreRemoved) {
  const base::TemporaryFolder folder;
  const std::string registry = folder / "registry", plugins = folder / "plugins";
  std::filesystem::create_directories(registry);
  std::filesystem::create_directories(plugins + "/a.io");
  const Sockets now = fresh_sockets(registry, plugins, "a.io");
  const std::string others[] = {registry + "/b.io-1-reg.sock", registry + "/a.io.txt"};
  const std::string olds[] = {registry + "/a.io-reg.sock", registry + "/a.io-7-8-reg.sock",
                              plugins + "/a.io/dra.sock", plugins + "/a.io/dra-7-8.sock"};
  for (const auto& path :
       {now.registry, now.endpoint, others[0], others[1], olds[0], olds[1], olds[2], olds[3]})
    std::ofstream(path) << "";
  remove_sockets(registry, plugins, "a.io", now);
  for (const auto& path : {now.registry, now.endpoint, others[0], others[1]})
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
  for (const auto& path : olds) EXPECT_FALSE(std::filesystem::exists(path)) << path;
  remove_sockets(registry, plugins, "a.io");
  EXPECT_FALSE(std::filesystem::exists(now.registry));
  EXPECT_FALSE(std::filesystem::exists(now.endpoint));
  EXPECT_TRUE(std::filesystem::exists(others[0]));
}

}  // namespace
}  // namespace flexai::agent::dra
