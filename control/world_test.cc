#include "control/world.h"

#include "control/world_fixture.h"

namespace flexai::control {
namespace {

TEST_F(WorldTest, CardAndNodeAreChosenTogether) {
  node("card", "2");
  node("plain", "16");
  cards("card", 1);
  claim("a", 300);
  pod("a");
  claim("b", 300);
  pod("b", "8");
  EXPECT_EQ(decide(), (Lines{"ns/a@card<-card:0(300)", "ns/b@plain<-card:0(300)"}));
}

TEST_F(WorldTest, WhatIsAssumedIsNotGivenTwiceAndComesBackWhenForgotten) {
  node("n");
  cards("n", 1);
  for (const char* name : {"a", "b"}) {
    claim(name, 600);
    pod(name);
  }
  EXPECT_EQ(decide(), (Lines{"ns/a@n<-n:0(600)"}));
  EXPECT_EQ(why("ns/b").substr(0, 66),
            "NoCards: 0/1 nodes: 1 without a card that has 600 of its compute f");
  EXPECT_EQ(decide(), Lines{});
  world_.forget("ns/a");
  world_.pod("ns/a", nullptr);
  EXPECT_EQ(decide(), (Lines{"ns/b@n<-n:0(600)"}));
}

TEST_F(WorldTest, ALeaseOutlivesItsClaim) {
  node("n");
  cards("n", 1);
  claim("a", 600);
  pod("a");
  claim("b", 600);
  pod("b");
  EXPECT_EQ(decide().size(), 1u);
  write("a", 600);
  EXPECT_FALSE(world_.assumed("ns/a"));
  kube::Lease lease;
  lease.ns = "ns";
  lease.name = kube::lease_name("claim-a", 0);
  lease.spec.claim = {"a", "claim-a"};
  lease.spec.pool = "n";
  lease.spec.device = "card-0";
  lease.spec.share_id = "share-0";
  lease.spec.compute_milli = 600;
  world_.lease("ns/" + lease.name, shared(lease));
  EXPECT_EQ(decide(), Lines{});
  world_.pod("ns/a", nullptr);
  world_.claim("ns/a", nullptr);
  EXPECT_EQ(decide(), Lines{}) << "its card's agent has not let it go";
  lease.has_status = true;
  lease.status.phase = kube::LeasePhase::kReleased;
  world_.lease("ns/" + lease.name, shared(lease));
  EXPECT_EQ(decide(), (Lines{"ns/b@n<-n:0(600)"}));
}

TEST_F(WorldTest, ALeaseWhoseClaimIsGoneForLongIsToldAndOneThatIsEarlyIsNot) {
  node("n");
  cards("n", 1);
  kube::Lease lease;
  lease.ns = "ns";
  lease.name = kube::lease_name("claim-a", 0);
  lease.spec.claim = {"a", "claim-a"};
  lease.spec.pool = "n";
  world_.refresh(1000);
  world_.lease("ns/" + lease.name, shared(lease));
  world_.refresh(1000);
  EXPECT_EQ(world_.next_ms(), 6000);
  world_.refresh(4000);
  EXPECT_EQ(world_.orphans(), Lines{});
  claim("a", 600);
  world_.refresh(7000);
  EXPECT_EQ(world_.orphans(), Lines{}) << "its claim has come";
  world_.claim("ns/a", nullptr);
  world_.refresh(8000);
  EXPECT_EQ(world_.orphans(), Lines{});
  world_.refresh(13'000);
  EXPECT_EQ(world_.orphans(), Lines{"ns/" + lease.name});
  EXPECT_EQ(world_.orphans(), Lines{}) << "not twice at once";
  world_.refresh(18'000);
  EXPECT_EQ(world_.orphans(), Lines{"ns/" + lease.name});
  lease.deleting = true;
  world_.lease("ns/" + lease.name, shared(lease));
  world_.refresh(25'000);
  EXPECT_EQ(world_.orphans(), Lines{});
  EXPECT_EQ(world_.next_ms(), 0);
}

// The watch of the leases is behind: it was cut, say.
TEST_F(WorldTest, WhatWasWrittenIsTakenUntilItsLeaseIsSeen) {
  node("n");
  cards("n", 1);
  for (const char* name : {"a", "b"}) {
    claim(name, 600);
    pod(name);
  }
  EXPECT_EQ(decide().size(), 1u);
  const PodPlace place = *world_.assumption("ns/a");
  const Award& award = place.awards[0];
  const std::string key = "ns/" + kube::lease_name("claim-a", 0);
  world_.writing(award);
  write("a", 600);
  world_.lease_sent(key, award.claim_uid, award.given[0]);
  world_.lease_answered(key, true);
  EXPECT_EQ(decide(), Lines{});
  world_.pod("ns/a", nullptr);
  claim("a", 600);
  EXPECT_EQ(decide(), Lines{}) << "the claim was taken back, the lease is there";
  EXPECT_FALSE(world_.has_room(place));
  world_.claim("ns/a", nullptr);
  EXPECT_EQ(decide(), Lines{}) << "the claim is gone, the lease is there";
  kube::Lease lease;
  lease.ns = "ns";
  lease.name = kube::lease_name("claim-a", 0);
  lease.spec = {{"a", "claim-a"}, {}, "n", "n", "card-0", award.given[0].share_id, 600, 1 << 30};
  world_.lease(key, shared(lease));
  EXPECT_EQ(decide(), Lines{}) << "by the lease itself now";
  world_.lease(key, nullptr);
  EXPECT_EQ(decide(), (Lines{"ns/b@n<-n:0(600)"}));
}

// Of a pod and a claim that went while the allocation was on its way.
TEST_F(WorldTest, WhatIsBeingWrittenIsTakenUntilItIsKnownNotToBe) {
  node("n");
  cards("n", 1);
  for (const char* name : {"a", "b"}) {
    claim(name, 600);
    pod(name);
  }
  EXPECT_EQ(decide().size(), 1u);
  const Award award = world_.assumption("ns/a")->awards[0];
  world_.writing(award);
  world_.pod("ns/a", nullptr);
  EXPECT_FALSE(world_.assumed("ns/a"));
  EXPECT_EQ(decide(), Lines{});
  world_.unwritten(award);
  EXPECT_EQ(decide(), (Lines{"ns/b@n<-n:0(600)"}));
}

TEST_F(WorldTest, ALeaseThatWasNeverSeenIsLookedForWhenItAloneHoldsTheCard) {
  node("n");
  cards("n", 1);
  for (const char* name : {"a", "b"}) {
    claim(name, 600);
    pod(name);
  }
  EXPECT_EQ(decide().size(), 1u);
  const Award award = world_.assumption("ns/a")->awards[0];
  const std::string key = "ns/" + kube::lease_name("claim-a", 0);
  world_.writing(award);
  write("a", 600);
  world_.lease_sent(key, award.claim_uid, award.given[0]);
  world_.pod("ns/a", nullptr);
  world_.claim("ns/a", nullptr);
  EXPECT_EQ(decide(), Lines{}) << "it may still be made";
  EXPECT_EQ(world_.unseen_alone(), Lines{});
  world_.lease_answered(key, true);
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(world_.unseen_alone(), Lines{key});
  world_.lease_answered(key, false);
  EXPECT_EQ(decide(), (Lines{"ns/b@n<-n:0(600)"}));
}

TEST_F(WorldTest, PartsOfSeveralCardsAreCheckedOnTheNodeAndTriedElsewhere) {
  node("a");
  node("b");
  cards("a", 1);
  cards("b", 2);
  Json two = claim_json("p", 700, 2);
  put_claim("p", two);
  pod("p");
  // The core sees room for one of 700 on the first node; two of them fit on the other only.
  EXPECT_EQ(decide(), (Lines{"ns/p@b<-b:0(700)b:1(700)"}));
}

TEST_F(WorldTest, TheDevicesOfOneRequestAreDifferentOnes) {
  node("a");
  cards("a", 1);
  claim("p", 300, 2);
  pod("p");
  EXPECT_EQ(decide(), Lines{}) << "as kube-scheduler answers, though there is room for both";
  node("b");
  cards("b", 2);
  EXPECT_EQ(decide(), (Lines{"ns/p@b<-b:0(300)b:1(300)"}));
}

// Told as two cards as large as the larger piece needs, the core would see no room.
TEST_F(WorldTest, PiecesOfDifferentSizesGetCardsOfDifferentSizes) {
  node("n");
  cards("n", {"16Gi", "32Gi"});
  claim_of("p", Json::array({request("small", "", "1500Ki"), request("large", "", "32Gi", "All")}));
  pod("p");
  EXPECT_EQ(decide(), (Lines{"ns/p@n<-n:0(1000)n:1(1000)"}));
}

TEST_F(WorldTest, APieceWithMuchTimeAndOneWithMuchMemoryNeedNotBeOfOneCard) {
  node("n");
  cards("n", {"16Gi", "64Gi"});
  claim_of("first", Json::array({request("x", "500", "20Gi")}));
  pod("first");
  EXPECT_EQ(decide(), Lines{"ns/first@n<-n:1(500)"});
  // Told as 700 with 20Gi, the core would see no room: where the memory is, 500 are left.
  claim_of("p", Json::array({request("memory", "400", "20Gi"), request("time", "700", "1Gi")}));
  pod("p");
  EXPECT_EQ(decide(), (Lines{"ns/p@n<-n:1(400)n:0(700)"}));
}

TEST_F(WorldTest, TimeOfOneCardAndMemoryOfAnotherMakeNoRoom) {
  node("n");
  cards("n", {"16Gi", "32Gi"});
  claim_of("p", Json::array({request("memory", "400", "32Gi"), request("time", "700", "1Gi")}));
  pod("p");
  EXPECT_EQ(decide(), (Lines{"ns/p@n<-n:1(400)n:0(700)"}));
  claim_of("q", Json::array({request("a", "300", "8Gi"), request("b", "600", "1Mi")}));
  pod("q");
  EXPECT_EQ(decide(), Lines{}) << "600 and 300 are left, but no memory where the 600 are";
}

// Nobody can say quickly that so many parts do not go onto these cards.
TEST_F(WorldTest, WhoMustBeSearchedForTooLongRestsAndTheOthersGoOn) {
  node("n", "64");
  std::vector<std::string> memories;
  for (int i = 0; i < 16; ++i) memories.push_back(std::to_string(16'000 + i) + "Mi");
  cards("n", memories);
  Json requests = Json::array();
  for (int i = 0; i < 31; ++i)
    requests.push_back(request("r" + std::to_string(i), std::to_string(501 + i).c_str(), "1Gi"));
  for (int i = 0; i < 8; ++i) {
    claim_of("hostile" + std::to_string(i), requests);
    pod("hostile" + std::to_string(i));
  }
  claim("p", 300);
  pod("p");
  Lines lines;
  for (int round = 0; round < 8 && lines.empty(); ++round) lines = decide();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].substr(0, 8), "ns/p@n<-");
  for (int round = 0; round < 8; ++round) {
    world_.pod("ns/p", nullptr);
    pod("p");  // something has changed
    world_.forget_misfits();
    decide();
  }
  EXPECT_EQ(why("ns/hostile0"),
            "Unsupported: its combination of requests takes too long to find; it is tried again "
            "later");
  EXPECT_EQ(world_.next_ms(), 11'000);
  world_.refresh(11'000);
  EXPECT_EQ(why("ns/hostile0"), "") << "it is tried again";
}

TEST_F(WorldTest, NodesThatCouldNotBindAreAvoidedForAWhile) {
  node("a");
  node("b");
  cards("a", 1);
  claim("p", 100);
  pod("p");
  world_.refresh(500);
  world_.avoid("ns/p", "a", 900);
  world_.avoid("ns/p", "b", 5000);
  EXPECT_EQ(decide(), (Lines{"ns/p@a<-a:0(100)"}));
  world_.forget("ns/p");
  world_.avoid("ns/p", "a", 5000);
  world_.avoid("ns/p", "b", 900);
  world_.pod("ns/p", nullptr);
  pod("p");
  world_.avoid("ns/p", "a", 5000);
  EXPECT_EQ(decide(), (Lines{"ns/p@b<-a:0(100)"})) << "its cards will do all the same";
}

TEST_F(WorldTest, AGangStartsWhenAllMembersHaveRoom) {
  node("n");
  cards("n", 2);
  const Json labels{{kube::kGangLabel, "g"}}, notes{{kube::kGangSizeAnnotation, "3"}};
  for (const char* name : {"a", "b"}) {
    claim(name, 800);
    pod(name, "1", labels, notes);
  }
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/a"), "GangIncomplete: gang g: 2 of 3 members are there");
  claim("c", 800);
  pod("c", "1", labels, notes);
  EXPECT_EQ(decide(), Lines{});
  node("m");
  cards("m", 1);
  EXPECT_EQ(decide().size(), 3u);
}

TEST_F(WorldTest, AGangGathersUntilAllMembersHaveANode) {
  node("n");
  cards("n", 2);
  const Json labels{{kube::kGangLabel, "g"}}, notes{{kube::kGangSizeAnnotation, "2"}};
  for (const char* name : {"a", "b"}) {
    claim(name, 800);
    pod(name, "1", labels, notes);
  }
  claim("alone", 100);
  pod("alone");
  decide();
  EXPECT_TRUE(world_.gang_gathers("ns/a"));
  EXPECT_FALSE(world_.gang_gathers("ns/alone"));
  kube::Lease lease;
  lease.ns = "ns";
  lease.name = kube::lease_name("claim-a", 0);
  lease.spec = {{"a", "claim-a"}, {"a", "pod-a"}, "n", "n", "card-0", "share-0", 800, 1 << 30};
  lease.spec.hold = true;
  const std::string key = "ns/" + lease.name;
  world_.lease(key, shared(lease));
  for (const char* name : {"a", "b"}) {
    world_.refresh(1000);
    EXPECT_EQ(world_.gathered(), Lines{}) << name;
    PodFacts bound = *world_.pod("ns/" + std::string(name));
    bound.node = "n";
    world_.pod("ns/" + std::string(name), shared(bound));
  }
  world_.refresh(1000);
  EXPECT_EQ(world_.gathered(), Lines{key});
  lease.spec.hold = false;
  world_.lease(key, shared(lease));
  world_.refresh(1000);
  EXPECT_EQ(world_.gathered(), Lines{});
}

TEST_F(WorldTest, GuaranteesOfAClusterThatHasShrunkAreCutAndStopNobody) {
  node("n");
  node("m");
  cards("n", 1);
  cards("m", 1);
  model::Queue a, b;
  a.name = "a", a.guarantee = a.deserved = 1500;
  b.name = "b", b.guarantee = b.deserved = 500;
  world_.queues({a, b}, {});
  claim("p", 300);
  pod("p", "1", {{kube::kQueueLabel, "a"}});
  EXPECT_EQ(decide().size(), 1u);
  EXPECT_EQ(world_.queue_use()["a"].guarantee, 1500);
  world_.node("m", nullptr);
  world_.slice("m", nullptr);
  cards("n", 1);
  claim("q", 300);
  pod("q", "1", {{kube::kQueueLabel, "b"}});
  EXPECT_EQ(decide().size(), 1u);
  EXPECT_EQ(why("ns/q"), "");
  EXPECT_EQ(world_.queue_use()["a"].guarantee, 750);
  EXPECT_EQ(world_.queue_use()["b"].guarantee, 250);
  QueueFacts facts;
  facts.queue = a;
  const std::string status = status_of(facts, world_.queue_use()["a"], "", world_.whole_ncu(), 0);
  EXPECT_NE(status.find("of this one's 1500 its part is 750"), std::string::npos) << status;
}

TEST_F(WorldTest, WhatWaitsIsTheUnmetDemandOfItsQueue) {
  node("n");
  cards("n", 1);
  claim("p", 600);
  pod("p");
  claim("q", 700);
  pod("q");
  EXPECT_EQ(decide().size(), 1u);
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(world_.queue_use()[kube::kDefaultQueue].unmet, 700);
}

// The sums go along with what changes.
TEST_F(WorldTest, WhatQueuesHoldFollowsEveryChange) {
  node("n");
  cards("n", 2);
  const auto now = [&] {
    const World::QueueUse use = world_.queue_use()["default"];
    return std::vector<int64_t>{use.ncu, use.milli, use.running, use.pending, use.unmet};
  };
  using Sums = std::vector<int64_t>;
  for (const char* name : {"a", "b", "c"}) {
    claim(name, 700);
    pod(name);
  }
  decide();
  decide();
  EXPECT_EQ(now(), (Sums{1400, 1400, 2, 1, 700}));
  cards("n", 3);  // everything is told anew
  decide();
  world_.refresh(1000);
  EXPECT_EQ(now(), (Sums{2100, 2100, 3, 0, 0}));
  world_.forget("ns/a");
  world_.pod("ns/a", nullptr);
  world_.pod("ns/b", nullptr);
  world_.refresh(1000);
  EXPECT_EQ(now(), (Sums{700, 700, 1, 0, 0}));
  world_.pod("ns/c", nullptr);
  world_.refresh(1000);
  EXPECT_EQ(now(), (Sums{0, 0, 0, 0, 0}));
}

TEST_F(WorldTest, WhatOthersTakeOfANodeCounts) {
  node("n", "4");
  cards("n", 1);
  PodFacts other;
  other.ns = "ns";
  other.name = "other";
  other.node = "n";
  other.cpu_milli = 3500;
  world_.pod("ns/other", shared(other));
  claim("p", 100);
  pod("p", "1");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_NE(why("ns/p").find("too few free processors"), std::string::npos) << why("ns/p");
  world_.pod("ns/other", nullptr);
  EXPECT_EQ(decide(), (Lines{"ns/p@n<-n:0(100)"}));
}

TEST_F(WorldTest, CardsOfADrainedNodeTakeNobodyWhereverTheProgramRuns) {
  labelled("card", kube::kDrainedLabel, "true");
  node("plain");
  cards("card", 1);
  claim("p", 100);
  pod("p");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_NE(why("ns/p").find("whose cards are being drained"), std::string::npos) << why("ns/p");
  labelled("card", kube::kDrainedLabel, "false");
  EXPECT_EQ(decide(), (Lines{"ns/p@card<-card:0(100)"}));
}

TEST_F(WorldTest, WrongWishesAreToldWithTheField) {
  node("n");
  cards("n", 1);
  Json json = claim_json("p", 100, 1);
  json["spec"]["devices"]["config"] = Json::array(
      {{{"opaque",
         {{"driver", kube::kDriverName},
          {"parameters",
           {{"apiVersion", kube::kGroupVersion}, {"kind", "SliceConfig"}, {"qos", "golden"}}}}}}});
  put_claim("p", json);
  pod("p");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/p").find("Invalid: claim p: request x: "), 0u) << why("ns/p");
  EXPECT_NE(why("ns/p").find("qos"), std::string::npos) << why("ns/p");
}

// Nothing is marked before the first look: it must see all the same what came before.
TEST_F(WorldTest, WhatCameBeforeTheFirstLookCounts) {
  cards("n", 1);
  Json held = claim_json("held", 600, 1);
  held["status"] = {
      {"allocation",
       {{"devices",
         {{"results",
           Json::array({{{"request", "x"},
                         {"driver", kube::kDriverName},
                         {"pool", "n"},
                         {"device", "card-0"},
                         {"shareID", "s"},
                         {"consumedCapacity", {{"compute", "600"}, {"memory", "1Gi"}}}}})}}},
        {"nodeSelector",
         {{"nodeSelectorTerms",
           Json::array({{{"matchFields", Json::array({{{"key", "metadata.name"},
                                                       {"operator", "In"},
                                                       {"values", {"n"}}}})}}})}}}}},
      {"reservedFor",
       Json::array({{{"resource", "pods"}, {"name", "held"}, {"uid", "pod-held"}}})}};
  put_claim("held", held);
  pod("held");
  kube::Lease stale;
  stale.ns = "ns";
  stale.name = kube::lease_name("claim-held", 7);
  stale.spec.claim = {"held", "claim-held"};
  stale.spec.pool = "n";
  stale.spec.device = "card-0";
  stale.spec.share_id = "another";
  stale.spec.compute_milli = 300;
  world_.lease("ns/" + stale.name, shared(stale));
  claim("a", 200);
  pod("a");
  claim("b", 100);
  pod("b");
  node("n");
  EXPECT_EQ(decide(), (Lines{"ns/b@n<-n:0(100)"}));
  EXPECT_EQ(world_.stale_leases(), (std::set<std::string>{"ns/" + stale.name}));
  EXPECT_EQ(world_.unleased(), (std::set<std::string>{"ns/held"}));
  EXPECT_EQ(world_.unfinished(), (std::set<std::string>{"ns/held"}));
}

// Cards that no pod has: of a claim that is nobody's, of a lease without a claim.
TEST_F(WorldTest, TheFirstPlanKnowsWhatNobodyHas) {
  node("n");
  cards("n", 3);
  const auto allocated = [this](const std::string& name, const char* card) {
    Json json = claim_json(name, 600, 1);
    json["status"]["allocation"]["devices"]["results"] =
        Json::array({{{"request", "x"},
                      {"driver", kube::kDriverName},
                      {"pool", "n"},
                      {"device", card},
                      {"shareID", "share-" + name},
                      {"consumedCapacity", {{"compute", "600"}, {"memory", "1Gi"}}}}});
    return json;
  };
  put_claim("nobodys", allocated("nobodys", "card-0"));
  Json held = allocated("held", "card-1");
  held["status"]["reservedFor"] =
      Json::array({{{"resource", "pods"}, {"name", "held"}, {"uid", "pod-held"}}});
  put_claim("held", held);
  pod("held");
  kube::Lease left;
  left.ns = "ns";
  left.name = kube::lease_name("claim-gone", 0);
  left.spec.claim = {"gone", "claim-gone"};
  left.spec.pool = "n";
  left.spec.device = "card-2";
  left.spec.compute_milli = 600;
  world_.lease("ns/" + left.name, shared(left));
  ASSERT_TRUE(world_.refresh(1000));
  std::set<std::string> known;
  for (const model::Workload& w : world_.planner()->snapshot().workloads) known.insert(w.name);
  EXPECT_EQ(known, (std::set<std::string>{"@claim:ns/nobodys", "@lease:ns/" + left.name, "@node:n",
                                          "ns/held"}));
}

TEST_F(WorldTest, ATroubleStaysUntilItIsOver) {
  node("n");
  cards("n", 1);
  pod("a");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/a"), "ClaimNotThere: its claim a is not there");
  node("m");  // all is opened anew
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(why("ns/a"), "ClaimNotThere: its claim a is not there");
  claim("a", 300);
  EXPECT_EQ(decide().size(), 1u);
  EXPECT_TRUE(world_.troubles().empty());
  pod("b");
  EXPECT_EQ(decide(), Lines{});
  EXPECT_EQ(world_.troubles().size(), 1u);
  world_.pod("ns/b", nullptr);
  EXPECT_EQ(decide(), Lines{});
  EXPECT_TRUE(world_.troubles().empty());
}

}  // namespace
}  // namespace flexai::control
