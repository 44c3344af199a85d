#include "agent/wiring.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;

class WiringTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/wiring_test_XXXXXX";
    sys_ = ::mkdtemp(path);
    fs::create_directories(sys_ / "bus/pci/devices");
  }
  void TearDown() override { fs::remove_all(sys_); }
  static void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  // As Linux has it: the list holds links into the tree.
  fs::path card(const std::string& address, const std::string& way) {
    const fs::path real = sys_ / "devices" / way / address;
    fs::create_directories(real);
    fs::create_directory_symlink(real, sys_ / "bus/pci/devices" / address);
    return real;
  }
  CardWire wire(const std::string& address) const { return card_wire(address, sys_.string()); }

  fs::path sys_;
};

TEST_F(WiringTest, ACardBelowABridge) {
  const fs::path real = card("0000:65:00.0", "pci0000:64/0000:64:02.0");
  write(real / "numa_node", "1");
  write(real / "max_link_speed", "32.0 GT/s PCIe");
  write(real / "current_link_speed", "2.5 GT/s PCIe");  // it idles
  write(real / "current_link_width", "16");
  const CardWire found = wire("0000:65:00.0");
  EXPECT_EQ(found.address, "0000:65:00.0");
  EXPECT_EQ(found.root, "pci0000:64");
  EXPECT_EQ(found.numa, 1);
  EXPECT_EQ(found.mbps, 504123);
}

TEST_F(WiringTest, WhatIsNotSaidIsNotKnown) {
  const fs::path real = card("0000:00:05.0", "pci0000:00");
  write(real / "numa_node", "-1");
  write(real / "max_link_speed", "Unknown");
  write(real / "current_link_width", "0");
  const CardWire found = wire("0000:00:05.0");
  EXPECT_EQ(found.root, "pci0000:00");
  EXPECT_FALSE(found.numa);
  EXPECT_EQ(found.mbps, 0);
  EXPECT_EQ(wire("0000:00:06.0").root, "");
  write(real / "max_link_speed", "5.0 GT/s PCIe");
  write(real / "current_link_width", "4");
  EXPECT_EQ(wire("0000:00:05.0").mbps, 16000);
}

TEST_F(WiringTest, AnAddressIsNoPath) {
  for (const char* address :
       {"", "../../../etc", "0000:65:00.0/..", "....::::....", "pci-0000:65:00.0"}) {
    const CardWire found = wire(address);
    EXPECT_EQ(found.address, "") << address;
    EXPECT_EQ(found.root, "") << address;
  }
}

TEST_F(WiringTest, TheFastestInterfaceThatLeadsSomewhereAndIsUp) {
  const auto net = [this](const std::string& name, const char* state, const char* speed,
                          bool real) {
    const fs::path folder = sys_ / "class/net" / name;
    write(folder / "operstate", state);
    write(folder / "speed", speed);
    if (real) fs::create_directories(folder / "device");
  };
  EXPECT_EQ(host_mbps(sys_.string()), 0);
  net("down0", "down", "400000", true);
  net("veth0", "up", "10000000", false);
  net("eth0", "up", "1000", true);
  net("ib0", "up", "200000", true);
  net("odd0", "up", "-1", true);
  EXPECT_EQ(host_mbps(sys_.string()), 200000);
}

}  // namespace
}  // namespace flexai::agent
