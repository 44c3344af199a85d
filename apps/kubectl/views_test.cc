#include "apps/kubectl/views.h"

#include <gtest/gtest.h>

#include "apps/kubectl/drain.h"
#include "kube/lease.h"
#include "kube/reasons.h"

namespace flexai::apps {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

// As the API server sends it: whole numbers without a sign.
json as_read(const json& object) { return json::parse(object.dump()); }

json slice_of(const std::string& pool, const json& devices, const char* driver = "xpu.flexai.io") {
  return {{"spec", {{"driver", driver}, {"pool", {{"name", pool}}}, {"devices", devices}}}};
}

json card(const std::string& name) {
  return {{"name", name},
          {"attributes", {{"model", {{"string", "Titan"}}}}},
          {"capacity", {{"compute", {{"value", "1000"}}}, {"memory", {{"value", "4Gi"}}}}}};
}

json lease(const std::string& pod, const std::string& pool, int number,
           kube::LeasePhase phase = kube::LeasePhase::kRunning,
           std::optional<uint32_t> used = std::nullopt) {
  kube::LeaseSpec spec;
  spec.claim = {pod + "-card", "0b0c6a3e-1111-2222-3333-44445555666" + std::to_string(number)};
  if (!pod.empty()) spec.pod = {pod, "uid-" + pod};
  spec.node = "plain";
  spec.pool = pool;
  spec.device = "card-1";
  spec.share_id = "2f4c0a51-96d2-4a7d-8c0f-6a5d2fd0e7b1";
  spec.compute_milli = 300;
  spec.memory_bytes = 1u << 30;
  spec.queue = "research";
  json object = kube::lease_object("team", 0, spec);
  kube::LeaseStatus status;
  status.phase = phase;
  status.used_milli = used;
  object["status"] = kube::status_json(status);
  return object;
}

TEST(Views, ADeviceHasWhatItsLeasesTake) {
  const View view =
      devices_view({slice_of("gpu1", {card("card-1"), card("card-2")})},
                   {lease("a", "gpu1", 1, kube::LeasePhase::kRunning, 210), lease("b", "gpu1", 2),
                    lease("c", "gpu2", 3), lease("d", "gpu1", 4, kube::LeasePhase::kReleased)});
  ASSERT_EQ(view.rows.size(), 2u);
  EXPECT_EQ(view.rows[0],
            (Row{"gpu1", "card-1", "Titan", "60%", "21%", "4GiB", "2GiB", "2", "ok"}));
  EXPECT_EQ(view.rows[1], (Row{"gpu1", "card-2", "Titan", "0%", "0%", "4GiB", "4GiB", "0", "ok"}));
  EXPECT_EQ(view.facts[0]["granted"], 600);
  EXPECT_EQ(view.facts[0]["memoryGranted"], uint64_t{2} << 30);
}

TEST(Views, ASickDeviceSaysWhyAndOnesOfOthersAreNotShown) {
  json sick = card("card-1");
  sick["taints"] = {{{"key", "other"}, {"value", "x"}},
                    {{"key", "xpu.flexai.io/unhealthy"}, {"value", "driver-lost"}}};
  const View view = devices_view(
      {slice_of("gpu1", json::array({sick})), slice_of("gpu1", json::array({card("x")}), "gpu.io")},
      {});
  ASSERT_EQ(view.rows.size(), 1u);
  EXPECT_EQ(view.rows[0].back(), "sick: driver-lost");
}

TEST(Views, SlicesAreThoseThatAreNotOver) {
  const View view =
      slices_view({lease("a", "gpu1", 1, kube::LeasePhase::kShared, 210), lease("b", "gpu1", 2),
                   lease("", "gpu1", 3), lease("d", "gpu1", 4, kube::LeasePhase::kReleased)});
  ASSERT_EQ(view.rows.size(), 3u);
  EXPECT_EQ(view.rows[0],
            (Row{"team", "a", "plain", "gpu1", "30%", "21%", "1GiB", "research", "Shared"}));
  EXPECT_EQ(view.rows[1][5], "-") << "the use is not known in its first minute";
  EXPECT_TRUE(view.facts[1]["used"].is_null());
  EXPECT_EQ(view.rows[2][1], "-");
}

TEST(Views, QueuesAndTheirUse) {
  const json queue = as_read(
      {{"metadata", {{"name", "research"}}},
       {"spec", {{"parent", "all"}, {"guarantee", 8000}, {"deserved", 16000}}},
       {"status",
        {{"used", 5500}, {"running", 3}, {"pending", 2}, {"unmet", 70}, {"ncuHours", 1234567}}}});
  EXPECT_EQ(queues_view({queue}).rows[0],
            (Row{"research", "all", "8000", "16000", "5500", "3", "2"}));
  const View use = usage_view({queue, {{"metadata", {{"name", "new"}}}}});
  EXPECT_EQ(use.rows[0], (Row{"research", "5.500", "0.070", "1234.567"}));
  EXPECT_EQ(use.facts[0]["ncuHours"], 1234567);
  EXPECT_EQ(use.rows[1], (Row{"new", "-", "-", "-"})) << "not counted is not nothing";
}

TEST(Views, PoolsAndWhatIsFreeOfThem) {
  const json pool =
      as_read({{"metadata", {{"name", "gold"}}},
               {"status",
                {{"nodes", 2},
                 {"cards", 3},
                 {"used", 1300},
                 {"free", 700},
                 {"largest", 500},
                 {"memoryFree", 1 << 30},
                 {"slices", 4},
                 {"links", {{"roots", 2}, {"together", 2}, {"slowest", 252061}, {"network", 0}}},
                 {"conditions", json::array({{{"type", "Ready"},
                                              {"status", "True"},
                                              {"message", "1 of its cards are sick"}}})}}}});
  EXPECT_EQ(pools_view({pool}).rows[0],
            (Row{"gold", "2", "3", "1.300", "0.700", "50%", "1GiB", "4",
                 "2 below one root, cards 252 Gbit/s", "ok: 1 of its cards are sick"}));
  const View fresh = pools_view({json{{"metadata", {{"name", "new"}}}}});
  EXPECT_EQ(fresh.rows[0][8], "-");
  EXPECT_EQ(fresh.rows[0][9], "not looked at yet");
  EXPECT_EQ(fresh.facts[0]["cards"], 0);
}

TEST(Views, ObjectsOfOtherShapesHarmNobody) {
  for (const json& strange :
       {json(), json(5), json::array({1}), json{{"spec", 5}},
        json{{"spec", {{"driver", "xpu.flexai.io"}, {"devices", "none"}}}},
        json{{"spec", {{"driver", "xpu.flexai.io"}, {"devices", {1, {{"name", 2}}}}}}},
        json{{"status",
              {{"containerStatuses", {1, {{"state", {{"waiting", {{"message", 5}}}}}}}},
               {"conditions", "x"},
               {"used", -5},
               {"phase", 3}}}}}) {
    devices_view({strange}, {strange});
    EXPECT_TRUE(slices_view({strange}).rows.empty());
    EXPECT_EQ(queues_view({strange}).rows.size(), 1u);
    EXPECT_EQ(pools_view({strange}).rows.size(), 1u);
    EXPECT_EQ(usage_view({strange}).rows[0][1], "-");
    EXPECT_EQ(explain_pod(strange, {strange}).reason, "Pending");
    EXPECT_TRUE(leavers({strange}, "gpu1").empty());
  }
}

json waiting(const std::string& message) {
  return {{"status",
           {{"phase", "Pending"},
            {"conditions",
             {{{"type", "PodScheduled"},
               {"status", "False"},
               {"reason", "SchedulingGated"},
               {"message", message}}}}}}};
}

TEST(Explain, EveryReasonHasItsOwnAdvice) {
  std::set<std::string> advices;
  for (const char* word : kube::kWaitReasons) {
    // Only the word decides: the same message, whatever it says.
    const Explained told = explain_pod(waiting(std::string(word) + ": 0/2 nodes: so it is"), {});
    EXPECT_EQ(told.reason, word);
    EXPECT_EQ(told.message, "0/2 nodes: so it is");
    EXPECT_EQ(told.advice, advice_for(word));
    EXPECT_FALSE(told.advice.empty()) << word;
    EXPECT_TRUE(advices.insert(told.advice).second) << word << " has another's advice";
  }
}

TEST(Explain, AContainerThatCannotStartSaysWhy) {
  const std::string said =
      "failed to create containerd task: OCI runtime create failed: error running hook: exit "
      "status "
      "1, stdout: , stderr: flexai: ImageUnfit: the C library is musl; take another\n: unknown";
  const auto pod = [&](const char* phase, const char* when, const char* state) {
    json made{{"spec", {{"nodeName", "gpu1"}}}, {"status", {{"phase", phase}}}};
    made["status"]["containerStatuses"] =
        json::array({json{{"state", json::object()}}, json::object()});
    made["status"]["containerStatuses"][1][when][state]["message"] = said;
    return made;
  };
  for (const json& one : {pod("Failed", "state", "terminated"), pod("Pending", "state", "waiting"),
                          pod("Pending", "lastState", "terminated")}) {
    const Explained told = explain_pod(one, {});
    EXPECT_EQ(told.reason, "ImageUnfit");
    EXPECT_EQ(told.message, "the C library is musl; take another");
    EXPECT_EQ(told.advice, advice_for("ImageUnfit"));
    EXPECT_FALSE(told.advice.empty());
  }
  EXPECT_EQ(explain_pod(pod("Running", "lastState", "terminated"), {}).reason, "Running");
  EXPECT_EQ(kube::start_reason_in("ImageUnfitness: no, ImageUnfit"), "");
}

TEST(Explain, WordsThatAreNoReasonDecideNothing) {
  const Explained told = explain_pod(waiting("queue research is at its limit"), {});
  EXPECT_EQ(told.reason, "SchedulingGated");
  EXPECT_EQ(told.message, "queue research is at its limit");
  EXPECT_NE(told.advice, advice_for("QueueLimit"));
}

TEST(Explain, APodWithoutGateIsExplainedByItsEvent) {
  json pod = waiting("0/2 nodes are available: 2 cannot allocate all claims");
  pod["status"]["conditions"][0]["reason"] = "Unschedulable";
  const json event = {{"reason", "FailedScheduling"},
                      {"type", "Warning"},
                      {"note", "QueueLimit: queue research is at its limit"}};
  EXPECT_EQ(explain_pod(pod, {event}).reason, "QueueLimit");
  EXPECT_EQ(explain_pod(pod, {}).reason, "Unschedulable");
}

TEST(Explain, APlacedPodThatDoesNotStartHasItsLastWarning) {
  const json pod = {{"spec", {{"nodeName", "gpu1"}}}, {"status", {{"phase", "Pending"}}}};
  EXPECT_EQ(explain_pod(pod, {}).reason, "Placed");
  const auto event = [](const char* type, const char* reason, const char* note, const char* when) {
    return json{
        {"type", type}, {"reason", reason}, {"note", note}, {"deprecatedLastTimestamp", when}};
  };
  const Explained told = explain_pod(
      pod, {event("Warning", "FailedPrepareDynamicResources", "no room", "2026-01-01T00:00:02Z"),
            event("Warning", "FailedMount", "old", "2026-01-01T00:00:01Z"),
            event("Normal", "Pulled", "image", "2026-01-01T00:00:03Z"),
            event("Warning", "FailedScheduling", "NoCards: x", "2026-01-01T00:00:04Z")});
  EXPECT_EQ(told.reason, "FailedPrepareDynamicResources");
  EXPECT_EQ(told.message, "no room");
  EXPECT_NE(told.advice.find("gpu1"), std::string::npos);
}

TEST(Explain, APodThatRunsNeedsNoAdvice) {
  const json pod = {{"spec", {{"nodeName", "gpu1"}}}, {"status", {{"phase", "Running"}}}};
  EXPECT_EQ(explain_pod(pod, {}).reason, "Running");
  EXPECT_EQ(explain_pod(pod, {}).advice, "");
}

TEST(Drain, EachPodOfTheNodesCardsLeavesOnce) {
  const Objects leases{lease("b", "gpu1", 1),
                       lease("a", "gpu1", 2),
                       lease("a", "gpu1", 3),
                       lease("c", "gpu2", 4),
                       lease("d", "gpu1", 5, kube::LeasePhase::kReleased),
                       lease("", "gpu1", 6),
                       lease("e", "gpu1", 7, kube::LeasePhase::kSuspended)};
  const std::vector<Leaver> expected{
      {"team", "a", "uid-a"}, {"team", "b", "uid-b"}, {"team", "e", "uid-e"}};
  EXPECT_EQ(leavers(leases, "gpu1"), expected) << "a suspended one holds its place, too";
  EXPECT_EQ(slices_of(leases, "gpu1"), 5u) << "one whose pod is gone is waited for";
  EXPECT_TRUE(leavers(leases, "plain").empty()) << "where pods run does not matter";
}

}  // namespace
}  // namespace flexai::apps
