// A slice that goes to a card of another node: who may, where to, and that nothing is given twice
// on the way.
#include "control/world_fixture.h"

namespace flexai::control {
namespace {

using kube::LeasePhase;

class MoveTest : public WorldTest {
 protected:
  // A pod of `plain`, which has no card, with `compute` of card-0 of node a; b has a card as well.
  void running(int compute, bool move = true) {
    node("a");
    node("b");
    node("plain");
    cards("a", 1);
    cards("b", 1);
    pod_on("low", "plain");
    Json json = claim_json("low", compute, 1);
    json["spec"]["devices"]["config"] = config(move);
    json["status"] = {
        {"allocation",
         {{"devices",
           {{"results",
             Json::array({{{"request", "x"},
                           {"driver", kube::kDriverName},
                           {"pool", "a"},
                           {"device", "card-0"},
                           {"shareID", "share-low"},
                           {"consumedCapacity",
                            {{"compute", std::to_string(compute)}, {"memory", "1Gi"}}}}})},
            {"config", Json::array()}}}}},
        {"reservedFor",
         Json::array({{{"resource", "pods"}, {"name", "low"}, {"uid", "pod-low"}}})}};
    put_claim("low", json);
    lease_.ns = "ns";
    lease_.name = kube::lease_name("claim-low", 0);
    lease_.uid = "lease-low";
    lease_.generation = 1;
    lease_.spec.claim = {"low", "claim-low"};
    lease_.spec.pod = {"low", "pod-low"};
    lease_.spec.node = "plain";
    lease_.spec.pool = "a";
    lease_.spec.device = "card-0";
    lease_.spec.share_id = "share-low";
    lease_.spec.compute_milli = static_cast<uint32_t>(compute);
    lease_.spec.memory_bytes = 1 << 30;
    lease_.has_status = true;
    says(LeasePhase::kRunning);
  }
  static Json config(bool move) {
    return Json::array(
        {{{"opaque",
           {{"driver", kube::kDriverName},
            {"parameters",
             {{"apiVersion", kube::kGroupVersion}, {"kind", "SliceConfig"}, {"move", move}}}}}}});
  }
  void pod_on(const std::string& name, const std::string& node) {
    const Json json{
        {"metadata", {{"namespace", "ns"}, {"name", name}, {"uid", "pod-" + name}}},
        {"spec",
         {{"nodeName", node},
          {"resourceClaims", Json::array({{{"name", "c"}, {"resourceClaimName", name}}})},
          {"containers", Json::array({{{"resources", {{"requests", {{"cpu", "1"}}}}}}})}}},
        {"status", {{"phase", "Running"}}}};
    const auto facts = read_pod(dump(json));
    ASSERT_TRUE(facts.ok()) << facts.error().message;
    world_.pod("ns/" + name, shared(*facts));
  }
  void says(LeasePhase phase) {
    lease_.status.phase = phase;
    lease_.status.observed_generation = lease_.generation;
    const bool gone = phase == LeasePhase::kMoved;
    lease_.status.compute_milli = gone ? 0 : lease_.spec.compute_milli;
    lease_.status.memory_bytes = gone ? 0 : lease_.spec.memory_bytes;
    told();
  }
  void told() { world_.lease("ns/" + lease_.name, shared(lease_)); }
  void aimed(const std::string& node) {
    ++lease_.generation;
    lease_.spec.target = {node, "card-0"};
    told();
  }
  void landed() {
    ++lease_.generation;
    lease_.spec.pool = lease_.spec.target.pool;
    lease_.spec.target = {};
    told();
  }
  // What the planner knows of the pod.
  const model::Workload* known() {
    EXPECT_TRUE(world_.refresh(1000));
    for (const model::Workload& w : world_.planner()->snapshot().workloads)
      if (w.name == "ns/low") return &w;
    return nullptr;
  }
  // Compute of the card of `node` that can be had.
  int free_of(const std::string& node) {
    for (int free = 1000; free > 0; free -= 100) {
      kube::Lease other = lease_;
      other.spec.claim = {"x", "x"};
      LeaseAim aim{static_cast<uint32_t>(free), kube::LeaseState::kRunning, {node, "card-0"}};
      if (world_.has_room(other, aim)) return free;
    }
    return 0;
  }
  std::string key() const { return "ns/" + lease_.name; }

  kube::Lease lease_;
};

TEST_F(MoveTest, WhoAllowsItIsOfferedCardsOfOtherNodesAndKeepsItsProcessor) {
  running(400);
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  EXPECT_TRUE(low->can_move);
  EXPECT_EQ(low->cpu_milli, 0) << "its processor stays";
  ASSERT_FALSE(low->fit.empty());
  for (const model::Fit& fit : world_.planner()->snapshot().fits) {
    if (fit.name != low->fit) continue;
    EXPECT_EQ(fit.nodes, (std::vector<uint32_t>{0, 1, model::Fit::kProcessor}));
  }
}

TEST_F(MoveTest, NobodyIsMovedToACardOfItsOwnNode) {
  running(400);
  cards("plain", 1);
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  for (const model::Fit& fit : world_.planner()->snapshot().fits)
    if (fit.name == low->fit) {
      EXPECT_EQ(fit.nodes, (std::vector<uint32_t>{0, 1, model::Fit::kProcessor}));
    }
}

TEST_F(MoveTest, WhoDoesNotAllowItStays) {
  running(400, false);
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  EXPECT_FALSE(low->can_move);
}

TEST_F(MoveTest, OneOfTheCardsOwnNodeStays) {
  running(400);
  lease_.spec.node = "a";
  told();
  pod_on("low", "a");
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  EXPECT_FALSE(low->can_move);
}

TEST_F(MoveTest, ItIsOnlyMovedToACardThatIsLikeItsOwn) {
  running(400);
  const Json json{
      {"spec",
       {{"driver", kube::kDriverName},
        {"nodeName", "b"},
        {"pool", {{"name", "b"}, {"generation", 2}, {"resourceSliceCount", 1}}},
        {"devices",
         Json::array({{{"name", "card-0"},
                       {"allowMultipleAllocations", true},
                       {"attributes", {{"model", {{"string", "Another"}}}}},
                       {"capacity",
                        {{"compute", {{"value", "1000"}}}, {"memory", {{"value", "16Gi"}}}}}}})}}}};
  const auto slice = read_slice(dump(json));
  world_.slice("b", shared(**slice));
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  for (const model::Fit& fit : world_.planner()->snapshot().fits)
    if (fit.name == low->fit) {
      EXPECT_EQ(fit.nodes[1], 0u);
    }
}

// From the word of the scheduler to that of the agent there.
TEST_F(MoveTest, BothCardsAreHeldUntilItHasLeftTheFirst) {
  running(400);
  EXPECT_EQ(free_of("a"), 600);
  EXPECT_EQ(free_of("b"), 1000);
  world_.aim(key(), {400, kube::LeaseState::kRunning, {"b", "card-0"}});
  EXPECT_EQ(free_of("b"), 600) << "before it is written";
  aimed("b");
  world_.aimed(key(), lease_.generation);
  for (const LeasePhase phase : {LeasePhase::kRunning, LeasePhase::kMoving}) {
    says(phase);
    EXPECT_EQ(free_of("a"), 600);
    EXPECT_EQ(free_of("b"), 600);
    EXPECT_FALSE(world_.settled(lease_));
    EXPECT_TRUE(world_.landed().empty());
  }
  known();  // plans see it there already
  says(LeasePhase::kMoved);
  EXPECT_EQ(free_of("b"), 600);
  known();
  EXPECT_EQ(world_.landed(), std::set<std::string>{key()});
  landed();
  EXPECT_EQ(free_of("a"), 1000);
  EXPECT_EQ(free_of("b"), 600);
  says(LeasePhase::kRunning);
  EXPECT_EQ(free_of("a"), 1000);
  EXPECT_EQ(free_of("b"), 600);
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  EXPECT_EQ(low->places[0].card_node, "b");
  EXPECT_EQ(low->moves, 1u) << "it is left alone for a while";
  EXPECT_TRUE(world_.landed().empty());
}

TEST_F(MoveTest, WhatIsPlannedIsThereAlready) {
  running(400);
  aimed("b");
  const model::Workload* low = known();
  ASSERT_NE(low, nullptr);
  EXPECT_EQ(low->places[0].card_node, "b");
  EXPECT_FALSE(low->can_move) << "one move at a time";
}

TEST_F(MoveTest, ALeaseThatLostItsClaimHoldsBoth) {
  running(400);
  aimed("b");
  says(LeasePhase::kMoving);
  world_.claim("ns/low", nullptr);
  EXPECT_EQ(free_of("a"), 600);
  EXPECT_EQ(free_of("b"), 600);
  world_.lease(key(), nullptr);
  EXPECT_EQ(free_of("a"), 1000);
  EXPECT_EQ(free_of("b"), 1000);
}

TEST_F(MoveTest, AnAgentThatCannotIsTakenAtItsWord) {
  running(400);
  aimed("b");
  says(LeasePhase::kFailed);
  known();
  EXPECT_EQ(world_.refused(), std::set<std::string>{key()});
}

TEST_F(MoveTest, WhoNeverBeginsIsCalledOffAndWhoHasBegunIsNot) {
  running(400);
  aimed("b");
  known();
  EXPECT_TRUE(world_.late().empty());
  EXPECT_TRUE(world_.refresh(1000 + 60'000));
  EXPECT_EQ(world_.late(), Lines{key()});
  EXPECT_TRUE(world_.late().empty()) << "once a minute";
  says(LeasePhase::kMoving);
  EXPECT_TRUE(world_.refresh(1000 + 200'000));
  EXPECT_TRUE(world_.late().empty());
}

TEST_F(MoveTest, OneMoreWorthTakesTheRoomOfWhoGoesElsewhere) {
  running(400);
  labelled("a", "kubernetes.io/hostname", "a");
  claim("high", 900);
  const Json json{
      {"metadata", {{"namespace", "ns"}, {"name", "high"}, {"uid", "pod-high"}}},
      {"spec",
       {{"priority", 1000},
        {"nodeSelector", {{"kubernetes.io/hostname", "a"}}},
        {"schedulingGates", Json::array({{{"name", kube::kGate}}})},
        {"resourceClaims", Json::array({{{"name", "c"}, {"resourceClaimName", "high"}}})},
        {"containers", Json::array({{{"resources", {{"requests", {{"cpu", "1"}}}}}}})}}}};
  Json reach = claim_json("high", 900, 1);
  reach["spec"]["devices"]["config"] = Json::array(
      {{{"opaque",
         {{"driver", kube::kDriverName},
          {"parameters",
           {{"apiVersion", kube::kGroupVersion}, {"kind", "SliceConfig"}, {"reach", "local"}}}}}}});
  put_claim("high", reach);
  const auto facts = read_pod(dump(json));
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  world_.pod("ns/high", shared(*facts));
  ASSERT_TRUE(world_.refresh(1000));
  const sched::Plan plan = world_.planner()->decide();
  ASSERT_EQ(plan.actions.size(), 2u);
  const auto& move = plan.actions[0].act == sched::Act::kPlace ? plan.actions[1] : plan.actions[0];
  EXPECT_EQ(move.act, sched::Act::kMigrate);
  EXPECT_EQ(world_.card_of(move.places[0]), (kube::LeaseTarget{"b", "card-0"}));
}

}  // namespace
}  // namespace flexai::control
