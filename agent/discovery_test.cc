#include "agent/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "agent/probing.h"
#include "base/temporary_folder.h"

namespace flexai::agent {
namespace {

using testing::HasSubstr;

constexpr const char* kCard =
    R"({"id":"Acme X","key":"KEY","api":"fake","memory_bytes":1024,"vendor":"Acme"})";

std::string card(const std::string& key) {
  std::string text = kCard;
  return text.replace(text.find("KEY"), 3, key);
}

class DiscoveryTest : public testing::Test {
 protected:
  // A probe in sh: `list` and a case per driver.
  std::string probe(const std::string& name, const std::string& list, const std::string& cases) {
    std::string path = folder_ / ("flexai-probe-" + name);
    std::ofstream(path) << "#!/bin/sh\nif [ \"$1\" = --list ]; then echo '" << list
                        << "'; exit 0; fi\ncase \"$2\" in\n"
                        << cases << "\nesac\n";
    ::chmod(path.c_str(), 0755);
    return path;
  }
  std::vector<model::Device> find(const std::vector<std::string>& probes) {
    DiscoveryConfig config;
    config.probes = probes;
    config.limits.time = limit_;
    return discover(config);
  }
  base::TemporaryFolder folder_;
  base::Nanos limit_ = 10 * base::kSecond;
};

TEST_F(DiscoveryTest, SaysHowLongADriverTookToStart) {
  auto found =
      find({probe("fake", R"(["slow"])", "slow) sleep 0.2; echo '[" + card("a") + "]' ;;")});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_GE(found[0].start_ms, 200u);
}

TEST_F(DiscoveryTest, NumbersCardsByPrefixInOrder) {
  auto found = find({probe("fake", R"(["one","two"])",
                           "one) echo '[" + card("a") + "," + card("b") + "]' ;;\n" +
                               "two) echo '[" + card("c") + "]' ;;")});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].id, "acme-x-0");
  EXPECT_EQ(found[1].id, "acme-x-1");
  EXPECT_EQ(found[2].id, "acme-x-2");
  EXPECT_EQ(found[2].key, "c");
}

TEST_F(DiscoveryTest, ACardListedTwiceAppearsOnce) {
  auto found = find({probe("fake", R"(["one","two"])", "*) echo '[" + card("same") + "]' ;;")});
  EXPECT_EQ(found.size(), 1u);
}

TEST_F(DiscoveryTest, ACrashingDriverIsAnEntryWithAReasonAndHurtsNoOther) {
  auto found = find(
      {probe("fake", R"(["bad","good"])",
             "bad) echo 'last words' >&2; kill -SEGV $$ ;;\ngood) echo '[" + card("a") + "]' ;;")});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_FALSE(found[0].healthy);
  EXPECT_THAT(found[0].health, HasSubstr("killed by signal 11: last words"));
  EXPECT_TRUE(found[1].healthy);
}

TEST_F(DiscoveryTest, AHangingDriverIsKilledWithEverythingItStarted) {
  limit_ = 300 * base::kMillisecond;
  const std::string mark = folder_ / "alive";
  auto found =
      find({probe("fake", R"(["slow"])", "slow) (sleep 2; touch " + mark + ") & sleep 1000 ;;")});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].healthy);
  EXPECT_THAT(found[0].health, HasSubstr("no answer within"));
  ::sleep(2);
  EXPECT_NE(::access(mark.c_str(), F_OK), 0) << "a grandchild outlived the probe";
}

TEST_F(DiscoveryTest, DeliversOnTheLoopWhatWasFound) {
  DiscoveryConfig config;
  config.probes = {probe("fake", R"(["slow"])", "*) sleep 0.1; echo '[" + card("a") + "]' ;;")};
  auto loop = base::Loop::make();
  ASSERT_TRUE(loop.ok());
  auto probing = Probing::start(config);
  ASSERT_TRUE(probing.ok());
  std::vector<model::Device> got;
  (*probing)->deliver(loop->get(), [&](auto found) {
    got = std::move(found);
    (*loop)->stop();
  });
  (*loop)->run();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].key, "a");
}

TEST_F(DiscoveryTest, ProbesThatRunAreEndedWhenNobodyWantsThemAnyMore) {
  DiscoveryConfig config;
  config.limits.time = 1000 * base::kSecond;  // the test's own limit is far below
  config.probes = {probe("open", R"(["one"])", "*) sleep 900 ;;"),
                   probe("closed", R"(["one"])", "*) exec sleep 900 >&- 2>&- ;;")};
  auto probing = Probing::start(config);
  ASSERT_TRUE(probing.ok());
  ::usleep(100000);  // some are under way
  probing->reset();
}

TEST_F(DiscoveryTest, RubbishFromAProbeIsAnEntryWithAReason) {
  for (const char* text : {"not json", "{}", "[{\"key\":1}]", "[{\"id\":\"x\"}]", "[[[[]]]]"}) {
    auto found = find({probe("fake", R"(["d"])", std::string("d) echo '") + text + "' ;;")});
    ASSERT_EQ(found.size(), 1u) << text;
    EXPECT_FALSE(found[0].healthy) << text;
  }
}

TEST_F(DiscoveryTest, EndlessOutputIsCutOff) {
  auto found = find({probe("fake", R"(["d"])", "d) yes ;;")});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].health, HasSubstr("printed more than"));
}

TEST_F(DiscoveryTest, AProbeMayHaveAnyName) {
  auto found = find({folder_ / "own.sh"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].api, "own.sh");
  EXPECT_FALSE(found[0].healthy);
}

TEST_F(DiscoveryTest, AProbeThatCannotListIsAnEntryToo) {
  std::string path = folder_ / "flexai-probe-broken";
  std::ofstream(path) << "#!/bin/sh\nexit 3\n";
  ::chmod(path.c_str(), 0755);
  auto found = find({path, folder_ / "flexai-probe-missing"});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[0].health, HasSubstr("exit status 3"));
  EXPECT_FALSE(found[1].healthy);
}

TEST_F(DiscoveryTest, FindsProbesByName) {
  probe("b", "[]", "");
  probe("a", "[]", "");
  std::ofstream(folder_ / "flexai-probe-notes") << "not a program";
  auto probes = find_programs(folder_.path(), kProbes);
  ASSERT_EQ(probes.size(), 2u);
  EXPECT_EQ(probes[0], folder_ / "flexai-probe-a");
}

}  // namespace
}  // namespace flexai::agent
