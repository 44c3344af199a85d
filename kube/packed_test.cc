#include "kube/packed.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flexai::kube {
namespace {

using base::Code;

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out += static_cast<char>(value);
}
std::string bytes(uint32_t number, const std::string& text) {
  return varint(number << 3 | 2) + varint(text.size()) + text;
}
std::string number(uint32_t field, uint64_t value) { return varint(field << 3) + varint(value); }

std::string meta(const std::string& name) {
  return bytes(1, name) + bytes(3, "ns") + bytes(5, "uid-" + name) + bytes(6, "7");
}
std::string pod(const std::string& name) { return bytes(1, meta(name)); }

nlohmann::json unpacked(const Shape& shape, const std::string& text) {
  Unpacker unpacker;
  const auto found = unpacker.object(shape, text);
  EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().message);
  if (!found.ok()) return {};
  auto json = nlohmann::json::parse(found->json, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << found->json;
  return json;
}

using Json = nlohmann::json;

TEST(Packed, APodIsTheJsonThatItWouldHaveBeen) {
  const std::string container =
      bytes(1, "main") + bytes(6, number(2, 8080) + number(3, 80) + bytes(4, "TCP")) +
      bytes(8, bytes(1, bytes(1, "cpu") + bytes(2, bytes(1, "9"))) +
                   bytes(2, bytes(1, "cpu") + bytes(2, bytes(1, "500m"))) +
                   bytes(2, bytes(1, "memory") + bytes(2, bytes(1, "1Gi"))));
  const std::string volume = bytes(1, "v") + bytes(2, bytes(10, bytes(1, "disk") + number(2, 0)));
  const std::string spec = bytes(1, volume) + bytes(2, container) +
                           bytes(7, bytes(1, "disk") + bytes(2, "ssd")) + bytes(10, "") +
                           number(25, static_cast<uint64_t>(int64_t{-5})) +
                           bytes(38, bytes(1, "gate")) + bytes(38, bytes(1, "other"));
  const std::string whole =
      bytes(1, meta("p") + bytes(8, number(1, 1'700'000'000) + number(2, 0)) +
                   bytes(11, bytes(1, "app") + bytes(2, "x")) + bytes(17, "whoever")) +
      bytes(2, spec) + bytes(3, bytes(1, "Pending"));
  const Json expected = Json::parse(R"({
    "metadata": {"name": "p", "namespace": "ns", "uid": "uid-p", "resourceVersion": "7",
                 "creationTimestamp": "2023-11-14T22:13:20Z", "labels": {"app": "x"}},
    "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}],
             "containers": [{"ports": [{"hostPort": 8080, "protocol": "TCP"}],
                             "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
             "nodeSelector": {"disk": "ssd"}, "priority": -5,
             "schedulingGates": [{"name": "gate"}, {"name": "other"}]},
    "status": {"phase": "Pending"}})");
  EXPECT_EQ(unpacked(kPackedPod, whole), expected);
}

TEST(Packed, NothingIsLeftOutWhereItIsSomethingElseThanZero) {
  const auto device = [](const std::string& attribute) {
    return bytes(2, bytes(6, bytes(1, "card") + bytes(2, bytes(1, "a") + bytes(2, attribute))));
  };
  const auto found = [&](const std::string& attribute) {
    return unpacked(kPackedSlice, device(attribute))["spec"]["devices"][0]["attributes"]["a"]
        .dump();
  };
  EXPECT_EQ(found(number(2, 0)), R"({"int":0})");
  EXPECT_EQ(found(number(3, 0)), R"({"bool":false})");
  EXPECT_EQ(found(bytes(4, "")), R"({"string":""})");
  EXPECT_EQ(found(""), "{}");
}

TEST(Packed, WhatUsersWroteCannotEndTheTextAroundIt) {
  const auto config = [](const std::string& raw) {
    return bytes(
        2, bytes(1, bytes(3, bytes(2, bytes(1, bytes(1, "driver") + bytes(2, bytes(1, raw)))))));
  };
  const auto found = [&](const std::string& raw) {
    return unpacked(kPackedClaim,
                    config(raw))["spec"]["devices"]["config"][0]["opaque"]["parameters"];
  };
  EXPECT_EQ(found(R"({"qos":"fixed"})"), Json::parse(R"({"qos":"fixed"})"));
  const std::string hostile = R"({}}]}},"status":{"allocation":{}},"x":{"y":{"z":[{"a":{})";
  EXPECT_EQ(found(hostile), Json(hostile));
  EXPECT_EQ(found(""), Json(""));
  const std::string name = "a\"b\\c\n\x01\xff\xc3\xa4\xed\xa0\x80";
  EXPECT_EQ(unpacked(kPackedPod, pod(name))["metadata"]["name"],
            Json("a\"b\\c\n\x01\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
}

TEST(Packed, WhatIsHalfOrOfAnotherKindIsCorrupt) {
  const std::string whole = pod("name");
  Unpacker unpacker;
  for (size_t size = 1; size < whole.size(); ++size) {
    const auto found = unpacker.object(kPackedPod, whole.substr(0, size));
    ASSERT_FALSE(found.ok()) << size;
    EXPECT_EQ(found.error().code, Code::kCorrupt);
  }
  for (const std::string& bad :
       {number(1, 7), bytes(1, number(1, 7)), std::string("\x0b"), std::string(11, '\xff'),
        bytes(1, bytes(8, bytes(1, "x") + "\x80")), std::string("\x02\x00", 2)})
    EXPECT_FALSE(unpacker.object(kPackedPod, bad).ok());
  EXPECT_TRUE(unpacker.object(kPackedPod, whole).ok());
  EXPECT_TRUE(unpacker.object(kPackedPod, whole + number(99, 7) + bytes(98, "x")).ok()) << "newer";
}

std::string list_of(const std::vector<std::string>& items, const std::string& version = "12",
                    const std::string& more = "") {
  std::string list = bytes(1, bytes(1, "") + bytes(2, version) + bytes(3, more));
  for (const std::string& item : items) list += bytes(2, item);
  const std::string kind = bytes(1, bytes(1, "v1") + bytes(2, "PodList"));
  return std::string("k8s\0", 4) + kind + bytes(2, list) + bytes(3, "") + bytes(4, "");
}

base::Status split(PackedSplitter* splitter, std::string_view text, size_t piece,
                   std::vector<std::string>* found) {
  base::Status end;
  for (size_t at = 0; at < text.size() && end.ok(); at += piece)
    end = splitter->feed(text.substr(at, piece), [&](std::string_view item) {
      found->emplace_back(item);
      return true;
    });
  return end;
}

TEST(PackedSplitter, GivesTheObjectsHoweverTheyArrive) {
  const std::vector<std::string> items{pod("a"), "", pod(std::string(300, 'b'))};
  const std::string text = list_of(items, "12", "more");
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    PackedSplitter splitter({});
    std::vector<std::string> found;
    ASSERT_TRUE(split(&splitter, text, piece, &found).ok()) << piece;
    EXPECT_EQ(found, items) << piece;
    ASSERT_TRUE(splitter.whole());
    const auto envelope = splitter.envelope();
    ASSERT_TRUE(envelope.ok());
    EXPECT_EQ(envelope->resource_version, "12");
    EXPECT_EQ(envelope->continue_token, "more");
  }
}

TEST(PackedSplitter, AHalfListIsNotWhole) {
  const std::string text = list_of({pod("a"), pod("b")});
  const size_t behind = bytes(3, "").size() + bytes(4, "").size();
  for (size_t size = 0; size < text.size() - behind; ++size) {
    PackedSplitter splitter({});
    std::vector<std::string> found;
    EXPECT_TRUE(split(&splitter, text.substr(0, size), 16, &found).ok());
    EXPECT_FALSE(splitter.whole()) << size;
  }
}

TEST(PackedSplitter, WhatIsNoListIsCorrupt) {
  const std::string magic("k8s\0", 4);
  const std::string item = bytes(2, pod("a"));
  for (const std::string& bad :
       {std::string("k9s") + '\0', std::string("{\"a\":1}"), magic + std::string(1, '\0'),
        magic + std::string(11, '\xff'),
        magic + varint(2 << 3 | 2) + varint(item.size() - 1) + item,      // an item leaves the list
        magic + varint(2 << 3 | 2) + varint(3) + bytes(2, "0123456789"),  // so does this one
        magic + bytes(2, item) + bytes(2, item),                          // two lists
        magic + bytes(2, varint(2 << 3 | 5) + "1234")}) {
    PackedSplitter splitter({});
    std::vector<std::string> found;
    EXPECT_FALSE(split(&splitter, bad, 3, &found).ok());
  }
  PackedSplitter nameless({});
  std::vector<std::string> found;
  EXPECT_TRUE(split(&nameless, list_of({}, ""), 7, &found).ok());
  EXPECT_FALSE(nameless.envelope().ok()) << "without a version nothing can be watched";
}

TEST(PackedSplitter, NeitherObjectsNorTheRestGrowWithoutBound) {
  SplitLimits limits;
  limits.line = limits.envelope = 100;
  for (const std::string& large :
       {list_of({pod(std::string(200, 'x'))}), list_of({}, std::string(200, '1'))}) {
    PackedSplitter splitter(limits);
    std::vector<std::string> found;
    EXPECT_FALSE(split(&splitter, large, 7, &found).ok());
  }
}

TEST(Packed, NoShapeNamesAFieldTwice) {
  for (const Shape* shape : all_shapes())
    for (size_t i = 0; i < shape->fields.size(); ++i)
      for (size_t j = 0; j < i; ++j) {
        EXPECT_NE(shape->fields[i].number, shape->fields[j].number) << shape->name;
        EXPECT_STRNE(shape->fields[i].name, shape->fields[j].name) << shape->name;
      }
}

}  // namespace
}  // namespace flexai::kube
