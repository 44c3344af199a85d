#include "agent/dra/published.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flexai::agent::dra {
namespace {

using nlohmann::json;

model::Device card(const std::string& key) {
  model::Device made;
  made.id = "pocl-0";
  made.key = key;
  made.api = "opencl";
  made.vendor = "vendor";
  made.model = std::string(63, 'x') + "\xC3\xA4";  // the last character would be cut in two
  made.driver_version = "1";
  made.kind = "cpu";
  made.memory_bytes = (5u << 20) + 17;
  return made;
}

TEST(Published, ACardIsASharedDevice) {
  const json devices = devices_json({card("a")}, true);
  ASSERT_EQ(devices.size(), 1u);
  const json& device = devices[0];
  EXPECT_EQ(device["name"], device_name("a"));
  EXPECT_EQ(device["name"].get<std::string>().size(), 13u);
  EXPECT_EQ(device["allowMultipleAllocations"], true);
  EXPECT_EQ(device["attributes"]["api"]["string"], "opencl");
  EXPECT_EQ(device["attributes"]["model"]["string"], std::string(63, 'x'));
  EXPECT_EQ(device["capacity"]["compute"]["value"], "1000");
  EXPECT_EQ(device["capacity"]["compute"]["requestPolicy"]["validRange"]["step"], "1");
  EXPECT_EQ(device["capacity"]["memory"]["value"], "5Mi");
  EXPECT_EQ(device["capacity"]["memory"]["requestPolicy"]["default"], "5Mi");
  EXPECT_FALSE(device.contains("taints"));
  EXPECT_FALSE(device["attributes"].contains("hi"));
}

TEST(Published, LinksAreSaidAsFarAsTheyAreKnown) {
  Wires wires;
  wires.cards["a"] = {"0000:65:00.0", "pci0000:64", 0, 252061};
  wires.network_mbps = 100000;
  const json devices = devices_json({card("a"), card("b")}, true, wires);
  for (const json& device : devices) {
    const json& said = device["attributes"];
    EXPECT_EQ(said["network"]["int"], 100000);
    if (device["name"] == device_name("a")) {
      EXPECT_EQ(said["resource.kubernetes.io/pciBusID"]["string"], "0000:65:00.0");
      EXPECT_EQ(said["resource.kubernetes.io/pcieRoot"]["string"], "pci0000:64");
      EXPECT_EQ(said["numa"]["int"], 0);
      EXPECT_EQ(said["link"]["int"], 252061);
    } else {
      for (const char* name :
           {"resource.kubernetes.io/pciBusID", "resource.kubernetes.io/pcieRoot", "numa", "link"})
        EXPECT_FALSE(said.contains(name)) << name;
    }
  }
}

TEST(Published, TheSameWhateverTheOrder) {
  EXPECT_EQ(devices_json({card("a"), card("b")}, true), devices_json({card("b"), card("a")}, true));
  EXPECT_NE(device_name("a"), device_name("b"));
}

TEST(Published, ASickCardIsTaintedWithAValueThatTheServerTakes) {
  model::Device sick = card("a");
  sick.healthy = false;
  sick.health =
      "-- killed by signal 11: it is \"broken\", and so on and on, for more than 63 bytes!";
  const json taint = devices_json({sick}, true)[0]["taints"][0];
  EXPECT_EQ(taint["effect"], "NoSchedule");
  const std::string value = taint["value"];
  EXPECT_LE(value.size(), 63u);
  EXPECT_TRUE(value.starts_with("killed-by-signal-11-it-is")) << value;
  EXPECT_EQ(
      value.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."),
      std::string::npos);
  sick.health = "!?";
  EXPECT_EQ(devices_json({sick}, true)[0]["taints"][0]["value"], "sick");
}

TEST(Published, ACardOfUnknownMemoryDoesNotSpoilTheOthers) {
  model::Device broken = card("a");
  broken.memory_bytes = 0;
  const json memory = devices_json({broken}, true)[0]["capacity"]["memory"];
  EXPECT_EQ(memory["value"], "2Mi");
  EXPECT_EQ(memory["requestPolicy"]["validRange"]["max"], "2Mi");
}

TEST(Published, AnOldServerGetsWholeCards) {
  const json whole = devices_json({card("a")}, false);
  EXPECT_FALSE(whole[0].contains("allowMultipleAllocations"));
  EXPECT_FALSE(whole[0]["capacity"]["compute"].contains("requestPolicy"));
  EXPECT_FALSE(keeps_sharing(whole));
  EXPECT_TRUE(keeps_sharing(devices_json({card("a")}, true)));
  json half = devices_json({card("a")}, true);
  half[0]["capacity"]["memory"].erase("requestPolicy");
  EXPECT_FALSE(keeps_sharing(half));
  EXPECT_FALSE(keeps_sharing(json()));
}

TEST(Published, WhatTheServerWritesInItsOwnWayIsTheSame) {
  model::Device sick = card("a");
  sick.healthy = false;
  const json ours = devices_json({sick}, true);
  json kept = ours;
  kept[0]["capacity"]["compute"]["value"] = "1k";
  kept[0]["capacity"]["compute"]["requestPolicy"]["validRange"]["max"] = "1k";
  kept[0]["taints"][0]["timeAdded"] = "2026-01-01T00:00:00Z";
  EXPECT_TRUE(same_devices(kept, ours));
  kept[0]["capacity"]["compute"]["value"] = "999";
  EXPECT_FALSE(same_devices(kept, ours));
  EXPECT_FALSE(same_devices(json::array({1}), ours));
  EXPECT_FALSE(same_devices(json(), ours));
  EXPECT_FALSE(same_devices(devices_json({card("a")}, true), ours));  // well again
}

TEST(Published, TheSliceBelongsToItsNode) {
  const json slice = slice_json("card", "uid-1", "name", "17", 4, json::array());
  EXPECT_EQ(slice["spec"]["pool"],
            (json{{"name", "card"}, {"generation", 4}, {"resourceSliceCount", 1}}));
  EXPECT_EQ(slice["spec"]["nodeName"], "card");
  EXPECT_EQ(slice["metadata"]["resourceVersion"], "17");
  EXPECT_EQ(slice["metadata"]["ownerReferences"][0]["uid"], "uid-1");
}

}  // namespace
}  // namespace flexai::agent::dra
