// WorldTest: a World, and the objects of a cluster as the API server writes them; names tell them
// apart. For tests.
#pragma once

#include <gtest/gtest.h>

#include "control/json_parts.h"
#include "control/queue.h"
#include "control/reporter.h"
#include "control/world.h"
#include "kube/names.h"

namespace flexai::control {

template <typename T>
std::shared_ptr<const T> shared(const T& facts) {
  return std::make_shared<const T>(facts);
}

class WorldTest : public ::testing::Test {
 protected:
  WorldTest() {
    ClassFacts ours;
    ours.name = kube::kClassName;
    ours.ours = true;
    world_.device_class(ours.name, &ours);
  }

  void node(const std::string& name, const char* cpu = "4") {
    const Json json{
        {"metadata", {{"name", name}, {"labels", {{"name", name}}}}},
        {"status", {{"allocatable", {{"cpu", cpu}, {"memory", "8Gi"}, {"pods", "10"}}}}}};
    const auto facts = read_node(dump(json));
    world_.node(name, &*facts);
  }

  void labelled(const std::string& name, const char* label, const char* value) {
    const Json json{
        {"metadata", {{"name", name}, {"labels", {{"name", name}, {label, value}}}}},
        {"status", {{"allocatable", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "10"}}}}}};
    const auto facts = read_node(dump(json));
    world_.node(name, &*facts);
  }

  void cards(const std::string& name, int count) {
    cards(name, std::vector<std::string>(static_cast<size_t>(count), "16Gi"));
  }
  void cards(const std::string& name, const std::vector<std::string>& memories) {
    Json devices = Json::array();
    for (size_t i = 0; i < memories.size(); ++i)
      devices.push_back(
          {{"name", "card-" + std::to_string(i)},
           {"allowMultipleAllocations", true},
           {"attributes", {{"slot", {{"int", i}}}}},
           {"capacity", {{"compute", {{"value", "1000"}}}, {"memory", {{"value", memories[i]}}}}}});
    const Json json{{"spec",
                     {{"driver", kube::kDriverName},
                      {"nodeName", name},
                      {"pool", {{"name", name}, {"generation", 1}, {"resourceSliceCount", 1}}},
                      {"devices", devices}}}};
    const auto slice = read_slice(dump(json));
    world_.slice(name, shared(**slice));
  }

  static Json request(const std::string& name, const char* compute, const char* memory,
                      const char* mode = "ExactCount") {
    Json asked{{"memory", memory}};
    if (*compute != 0) asked["compute"] = compute;
    return {{"name", name},
            {"exactly",
             {{"deviceClassName", kube::kClassName},
              {"allocationMode", mode},
              {"capacity", {{"requests", asked}}}}}};
  }
  void claim_of(const std::string& name, const Json& requests) {
    Json json = claim_json(name, 1, 1);
    json["spec"]["devices"]["requests"] = requests;
    put_claim(name, json);
  }

  Json claim_json(const std::string& name, int compute, int count) {
    Json exactly{
        {"deviceClassName", kube::kClassName},
        {"count", count},
        {"capacity", {{"requests", {{"compute", std::to_string(compute)}, {"memory", "1Gi"}}}}}};
    return {
        {"metadata",
         {{"namespace", "ns"}, {"name", name}, {"uid", "claim-" + name}, {"resourceVersion", "1"}}},
        {"spec",
         {{"devices", {{"requests", Json::array({{{"name", "x"}, {"exactly", exactly}}})}}}}}};
  }
  void put_claim(const std::string& name, const Json& json) {
    const auto facts = read_facts(dump(json));
    ASSERT_TRUE(facts.ok()) << facts.error().message;
    world_.claim("ns/" + name, shared(*facts));
  }
  void claim(const std::string& name, int compute, int count = 1) {
    put_claim(name, claim_json(name, compute, count));
  }

  void pod(const std::string& name, const char* cpu = "1", const Json& labels = Json::object(),
           const Json& notes = Json::object()) {
    const Json json{
        {"metadata",
         {{"namespace", "ns"},
          {"name", name},
          {"uid", "pod-" + name},
          {"labels", labels},
          {"annotations", notes}}},
        {"spec",
         {{"schedulingGates", Json::array({{{"name", kube::kGate}}})},
          {"resourceClaims", Json::array({{{"name", "c"}, {"resourceClaimName", name}}})},
          {"containers", Json::array({{{"resources", {{"requests", {{"cpu", cpu}}}}}}})}}}};
    const auto facts = read_pod(dump(json));
    ASSERT_TRUE(facts.ok()) << facts.error().message;
    world_.pod("ns/" + name, shared(*facts));
  }

  // With a configuration that names a pool.
  void claim_in(const std::string& name, const std::string& pool, int compute = 300) {
    Json json = claim_json(name, compute, 1);
    json["spec"]["devices"]["config"] = Json::array(
        {{{"opaque",
           {{"driver", kube::kDriverName},
            {"parameters",
             {{"apiVersion", kube::kGroupVersion}, {"kind", "SliceConfig"}, {"pool", pool}}}}}}});
    put_claim(name, json);
  }
  void pool(const std::string& name, const Json& spec) {
    const Json json{{"metadata", {{"name", name}, {"uid", "u"}, {"generation", 2}}},
                    {"spec", spec}};
    const auto facts = read_pool(dump(json));
    ASSERT_TRUE(facts.ok()) << facts.error().message;
    world_.pool(name, &*facts);
  }
  static Json cel(const std::string& expression) {
    return Json::array({{{"cel", {{"expression", expression}}}}});
  }

  // One decision, everything that is placed assumed: POD@NODE<-POOL:CARDS.
  std::vector<std::string> decide() {
    std::vector<std::string> lines;
    for (int round = 0; round < 8; ++round) {
      if (!world_.refresh(1000)) return lines;
      plan_ = world_.planner()->decide();
      bool again = false;
      for (const sched::Action& action : plan_.actions) {
        const std::string unit = world_.planner()->snapshot().workloads[action.workload].name;
        const auto places = world_.settle(unit, action, [this] { return uuid(); });
        again = again || !places.ok();
        if (!places.ok()) continue;
        for (const PodPlace& place : *places) {
          world_.assume(place);
          lines.push_back(text(place));
        }
      }
      if (!again) break;
    }
    return lines;
  }
  std::string uuid() { return "share-" + std::to_string(number_++); }
  static std::string text(const PodPlace& place) {
    std::string line = place.pod + "@" + place.node + "<-";
    for (const Award& award : place.awards)
      for (const Given& given : award.given)
        line += given.pool + ":" + given.card.substr(5) + "(" +
                text_of(given.consumed.at(qualified("compute", kube::kDriverName))) + ")";
    return line;
  }
  std::string why(const std::string& unit) {
    for (const auto& [pod, trouble] : world_.troubles())
      if (pod == unit) return trouble;
    for (const sched::Verdict& v : plan_.pending) {
      const model::Workload& w = world_.planner()->snapshot().workloads[v.workload];
      if (w.name == unit) return words_of(v, w, world_.nodes(), world_.obstacles(unit));
    }
    return "";
  }
  // The assumption of a pod as facts.
  void write(const std::string& name, int compute) {
    const PodPlace* place = world_.assumption("ns/" + name);
    ASSERT_NE(place, nullptr);
    const Given& given = place->awards[0].given[0];
    Json json = claim_json(name, compute, 1);
    json["status"] = {
        {"allocation",
         {{"devices",
           {{"results",
             Json::array({{{"request", "x"},
                           {"driver", kube::kDriverName},
                           {"pool", given.pool},
                           {"device", given.card},
                           {"shareID", given.share_id},
                           {"consumedCapacity",
                            {{"compute", std::to_string(compute)}, {"memory", "1Gi"}}}}})}}}}},
        {"reservedFor",
         Json::array({{{"resource", "pods"}, {"name", name}, {"uid", "pod-" + name}}})}};
    put_claim(name, json);
    world_.confirm("ns/" + name);
  }

  World world_{WorldOptions{}};
  sched::Plan plan_;
  int number_ = 0;
};

using Lines = std::vector<std::string>;

}  // namespace flexai::control
