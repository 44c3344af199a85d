#include "sched/snapshot_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sched/decide.h"

namespace flexai::sched {
namespace {

constexpr const char* kSeed =
    R"({"format":1,"now_ms":5,"policy":{"rules_off":["spread"],"moves_most":2},
"rates":[{"model":"A","milli":1200},{"model":"A","kind":"infer","milli":1700}],
"network":{"near":{"mbps":25000,"round_trip_us":20},"far":{"round_trip_us":400}},
"mix":[{"count":7,"cards":1,"card_milli":500,"kind":"infer"},{"count":2,"cpu_milli":3,"models":["A"]}],
"nodes":[{"name":"n1","model":"A","cards":2,"cpu_milli":8000,"memory_mib":100,"zone":"z","labels":["x"],
"network_mbps":100},{"name":"n2","cpu_milli":100,"open":false}],
"queues":[{"name":"q","deserved":5,"caps":[{"model":"A","milli":900}]},{"name":"r","parent":"q"}],
"workloads":[{"name":"a","queue":"r","cards":1,"card_milli":300,"models":["A"],"labels":["x"],
"kind":"infer","remote_calls":100,"locality":"prefer-local"},{"name":"b","cards":1,"card_milli":500,"state":"running",
"places":[{"node":"n1","cards":[1]}]}]})";

TEST(SnapshotJson, WritesWhatItReads) {
  const auto first = snapshot_from_text(kSeed);
  ASSERT_TRUE(first.ok()) << first.error().message;
  const nlohmann::json text = to_json(*first);
  const auto again = snapshot_from_json(text);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(text, to_json(*again));
  EXPECT_FALSE(again->policy.on(Rule::kSpread));
  EXPECT_EQ(*decide(*first), *decide(*again));
}

TEST(SnapshotJson, ErrorsNameThePlace) {
  auto said = [](const char* text) {
    const auto s = snapshot_from_text(text);
    return s.ok() ? std::string() : s.error().message;
  };
  EXPECT_EQ(said("{"), "snapshot is not valid JSON");
  EXPECT_EQ(said(R"({"format":1,"nodes":[{"name":"n"},{"cards":1}]})"),
            "nodes[1]: field \"name\" is missing");
  EXPECT_EQ(said(R"({"format":1,"nodes":[{"name":"n","cards":-1}]})"),
            "nodes[0]: field \"cards\" has the wrong type or is out of range");
  EXPECT_EQ(said(R"({"format":1,"colour":1})"), ": unknown field \"colour\"");
  EXPECT_EQ(said(R"({"format":1,"now_ms":null})"),
            ": field \"now_ms\" has the wrong type or is out of range");
  EXPECT_EQ(said(R"({"format":1,"now_ms":9223372036854775808})"),
            ": field \"now_ms\" has the wrong type or is out of range");
  const std::string name(254, 'n');
  EXPECT_EQ(said((R"({"format":1,"nodes":[{"name":")" + name + R"("}]})").c_str()),
            "nodes[0]: field \"name\" has the wrong type or is out of range");
  EXPECT_NE(said(std::string(100, '[').c_str()).find("deeper"), std::string::npos);
}

// Bytes changed, cut and repeated at random: read, decided and carried out, or refused; never a
// crash. The same cases every time.
TEST(SnapshotJson, MutatedTextDoesNoHarm) {
  std::mt19937 random(7);
  const std::string seed = kSeed;
  const char* words[] = {
      "-1",   "99999999999999999999", "null", "[]", "{}",         "\"n1\"", "1e9",        "true",
      "\"\"", "2147483647",           "1000", "16", "4294967295", "\"A\"",  "\"running\""};
  int sound = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = seed;
    for (unsigned change = 0; change < 1 + random() % 3; ++change) {
      const size_t at = random() % text.size();
      const auto kind = random() % 4;
      if (kind == 0) text[at] = static_cast<char>(32 + random() % 95);
      if (kind == 1) text.erase(at, 1 + random() % 9);
      if (kind == 2) text.insert(at, text.substr(random() % text.size(), random() % 40));
      if (kind == 3) {
        const size_t colon = text.find(':', at);
        if (colon == std::string::npos) continue;
        const size_t end = text.find_first_of(",}]", colon);
        if (end != std::string::npos)
          text.replace(colon + 1, end - colon - 1, words[random() % std::size(words)]);
      }
    }
    const auto s = snapshot_from_text(text);
    if (!s.ok()) continue;
    ++sound;
    const auto plan = decide(*s);
    ASSERT_TRUE(plan.ok()) << text;
    ASSERT_TRUE(validate(after(*s, *plan)).ok()) << text;
  }
  EXPECT_GT(sound, 100);
}

}  // namespace
}  // namespace flexai::sched
