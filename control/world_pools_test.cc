// Sets of cards that operators name.
#include "control/world_fixture.h"

namespace flexai::control {
namespace {

TEST_F(WorldTest, APoolOfTwoSlicesIsThereWhenBothAre) {
  node("n");
  claim("a", 300);
  pod("a");
  const auto part = [this](const std::string& name, const std::string& pool, int number) {
    const Json device{
        {"name", "card-" + std::to_string(number)},
        {"allowMultipleAllocations", true},
        {"capacity", {{"compute", {{"value", "1000"}}}, {"memory", {{"value", "16Gi"}}}}}};
    const Json json{{"spec",
                     {{"driver", kube::kDriverName},
                      {"nodeName", pool},
                      {"pool", {{"name", pool}, {"generation", 1}, {"resourceSliceCount", 2}}},
                      {"devices", Json::array({device})}}}};
    const auto slice = read_slice(dump(json));
    world_.slice(name, shared(**slice));
  };
  part("one", "n", 0);
  EXPECT_EQ(decide(), Lines{});
  part("two", "other", 1);  // of another pool
  EXPECT_EQ(decide(), Lines{});
  part("two", "n", 1);  // it has moved
  EXPECT_EQ(world_.cards(), 2u);
  EXPECT_EQ(decide().size(), 1u);
  world_.slice("one", nullptr);
  EXPECT_EQ(world_.cards(), 0u);
}

TEST_F(WorldTest, AClaimKeepsToItsPool) {
  labelled("a", "rack", "1");
  labelled("b", "rack", "2");
  cards("a", 2);
  cards("b", 2);
  pool("second", {{"nodeSelector", {{"rack", "2"}}},
                  {"selectors", cel("device.attributes[\"xpu.flexai.io\"].slot == 1")}});
  for (int i = 0; i < 4; ++i) {
    claim_in("p" + std::to_string(i), "second");
    pod("p" + std::to_string(i), "100m");
  }
  EXPECT_EQ(decide(), (Lines{"ns/p0@b<-b:1(300)", "ns/p1@b<-b:1(300)", "ns/p2@b<-b:1(300)"}));
  EXPECT_NE(why("ns/p3").find("1 whose cards its selectors do not match"), std::string::npos)
      << why("ns/p3");
  pool("second", {{"nodeSelector", {{"rack", "2"}}}});
  EXPECT_EQ(decide(), (Lines{"ns/p3@b<-b:0(300)"}));
}

TEST_F(WorldTest, APoolFollowsTheLabelsOfNodes) {
  labelled("a", "rack", "1");
  cards("a", 1);
  pool("two", {{"nodeSelector", {{"rack", "2"}}}});
  claim_in("p", "two");
  pod("p", "100m");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(world_.pool_use().at("two").cards, 0);
  labelled("a", "rack", "2");
  EXPECT_EQ(decide(), (Lines{"ns/p@a<-a:0(300)"}));
  EXPECT_EQ(world_.pool_use().at("two").cards, 1);
}

TEST_F(WorldTest, APoolThatIsNotThereOrMakesNoSenseIsToldAndWaitedFor) {
  node("n");
  cards("n", 1);
  claim_in("p", "gold");
  pod("p");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/p"), "NotFound: claim p: pool gold is not there");
  pool("gold", {{"selectors", cel("device.what(")}});
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/p").substr(0, 38), "Invalid: claim p: pool gold: selector,");
  const auto said = Json::parse(status_of(world_.pools().at("gold"), world_.pool_use().at("gold")));
  EXPECT_EQ(said["conditions"][0]["reason"], "Wrong");
  EXPECT_NE(said["conditions"][0]["message"].get<std::string>().find("character"),
            std::string::npos);
  pool("gold", Json::object());
  EXPECT_EQ(decide(), (Lines{"ns/p@n<-n:0(300)"}));
  world_.pool("gold", nullptr);
  claim_in("q", "gold");
  pod("q");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/q"), "NotFound: claim q: pool gold is not there");
}

TEST_F(WorldTest, WhatIsFreeInAPoolIsWhatCanBeHad) {
  node("n");
  node("away");
  cards("n", 2);
  cards("away", 1);
  pool("all", Json::object());
  pool("odd", {{"selectors", cel("device.attributes[\"xpu.flexai.io\"].nothing == 1")}});
  claim_in("p", "all", 300);
  pod("p");
  EXPECT_EQ(decide().size(), 1u);
  labelled("away", kube::kDrainedLabel, "true");
  const auto use = world_.pool_use().at("all");
  EXPECT_EQ(use.cards, 3);
  EXPECT_EQ(use.nodes, 2);
  EXPECT_EQ(use.drained, 1);
  EXPECT_EQ(use.compute, 3000);
  const bool on_away = world_.assumption("ns/p")->node == "away";
  EXPECT_EQ(use.used, 300);
  EXPECT_EQ(use.free, on_away ? 2000 : 1700);
  EXPECT_EQ(use.largest, 1000);
  const auto odd = world_.pool_use().at("odd");
  EXPECT_EQ(odd.cards, 0);
  EXPECT_EQ(odd.unsure, 3);
  const auto said = Json::parse(status_of(world_.pools().at("odd"), odd));
  EXPECT_EQ(said["observedGeneration"], 2);
  EXPECT_EQ(said["conditions"][0]["status"], "False");
  EXPECT_NE(said["conditions"][0]["message"].get<std::string>().find("3 cards are left out"),
            std::string::npos);
}

TEST_F(WorldTest, NobodyPublishesWhichPoolsACardIsIn) {
  node("n");
  const Json devices = Json::array(
      {{{"name", "card-0"},
        {"allowMultipleAllocations", true},
        {"attributes", {{std::string(kube::kPoolDomain) + "/gold", {{"bool", true}}}}},
        {"capacity", {{"compute", {{"value", "1000"}}}, {"memory", {{"value", "16Gi"}}}}}}});
  const Json json{{"spec",
                   {{"driver", kube::kDriverName},
                    {"nodeName", "n"},
                    {"pool", {{"name", "n"}, {"generation", 1}, {"resourceSliceCount", 1}}},
                    {"devices", devices}}}};
  const auto slice = read_slice(dump(json));
  world_.slice("n", shared(**slice));
  pool("gold", {{"nodeSelector", {{"no", "where"}}}});
  claim_in("p", "gold");
  pod("p");
  EXPECT_EQ(decide(), Lines{});
}

// Two cards below one root of a, one below the root of that name of b, one of which nothing is
// said.
TEST_F(WorldTest, APoolSaysHowItsCardsAreLinked) {
  const auto card = [](const char* name, const char* root, int link, int network) {
    Json attributes = Json::object();
    if (*root != 0) attributes[kube::kRootAttribute] = {{"string", root}};
    if (link > 0) attributes[kube::kLinkAttribute] = {{"int", link}};
    if (network > 0) attributes[kube::kNetworkAttribute] = {{"int", network}};
    return Json{{"name", name}, {"attributes", attributes}};
  };
  const auto cards_at = [this](const std::string& name, const Json& devices) {
    node(name);
    const Json json{{"spec",
                     {{"driver", kube::kDriverName},
                      {"nodeName", name},
                      {"pool", {{"name", name}, {"generation", 1}, {"resourceSliceCount", 1}}},
                      {"devices", devices}}}};
    const auto slice = read_slice(dump(json));
    world_.slice(name, shared(**slice));
  };
  cards_at("a", Json::array({card("card-0", "pci0000:40", 252061, 100000),
                             card("card-1", "pci0000:40", 126030, 100000)}));
  cards_at("b",
           Json::array({card("card-0", "pci0000:40", 252061, 25000), card("card-1", "", 0, 0)}));
  pool("all", Json::object());
  pool("bare", {{"selectors", cel("!(\"link\" in device.attributes[\"xpu.flexai.io\"])")}});
  world_.refresh(1000);
  const auto links = [this](const char* name) {
    return Json::parse(status_of(world_.pools().at(name), world_.pool_use().at(name)))["links"];
  };
  EXPECT_EQ(links("all"),
            (Json{{"roots", 2}, {"together", 2}, {"slowest", 126030}, {"network", 25000}}));
  EXPECT_EQ(links("bare"), (Json{{"roots", 0}, {"together", 0}, {"slowest", 0}, {"network", 0}}));
}

}  // namespace
}  // namespace flexai::control
