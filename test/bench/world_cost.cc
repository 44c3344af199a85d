// flexai-world-cost [NODES PODS]: what a change costs the hi-scheduler's World beside so many pods
// that run, in milliseconds: taking the change in, planning, asking what queues hold. No API
// server.
#include <cstdlib>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/clock.h"
#include "control/world_fixture.h"
#include "kube/lease.h"

namespace flexai::control {
namespace {

constexpr int kQueues = 100, kRounds = 200, kCards = 2;

class WorldCost : public WorldTest {
 public:
  void TestBody() override {}
  void fill(int nodes, int pods);
  void measure();

 private:
  struct Costs {
    std::vector<double> refresh, decide, use;
  };
  void look(Costs* costs);
  void running(int number, int nodes);
  void lease(int number, int nodes, int used);
  static void print(const char* what, const Costs& costs, bool last);

  int nodes_ = 0, pods_ = 0;
  int64_t now_ms_ = 1000;
};

std::string queue_of(int number) { return "q" + std::to_string(number % kQueues); }
std::string node_of(int number, int nodes) { return "n" + std::to_string(number % nodes); }
std::string card_of(int number, int nodes) {
  return "card-" + std::to_string(number / nodes % kCards);
}

void WorldCost::fill(int nodes, int pods) {
  nodes_ = nodes, pods_ = pods;
  std::vector<model::Queue> queues(kQueues);
  for (int i = 0; i < kQueues; ++i) {
    queues[static_cast<size_t>(i)].name = queue_of(i);
    queues[static_cast<size_t>(i)].deserved = int64_t{1000} * nodes * kCards / kQueues;
  }
  world_.queues(queues, {});
  for (int i = 0; i < nodes; ++i) {
    node(node_of(i, nodes), "64");
    cards(node_of(i, nodes), kCards);
  }
  for (int i = 0; i < pods; ++i) running(i, nodes);
}

void WorldCost::running(int number, int nodes) {
  const std::string name = "r" + std::to_string(number), on = node_of(number, nodes);
  const std::string share = kube::lease_name("00000000-0000-0000-0000-000000000000", 0);
  Json claim = claim_json(name, 100, 1);
  claim["status"] = {
      {"allocation",
       {{"devices",
         {{"results",
           Json::array({{{"request", "x"},
                         {"driver", kube::kDriverName},
                         {"pool", on},
                         {"device", card_of(number, nodes)},
                         {"shareID", share},
                         {"consumedCapacity", {{"compute", "100"}, {"memory", "1Gi"}}}}})}}}}},
      {"reservedFor",
       Json::array({{{"resource", "pods"}, {"name", name}, {"uid", "pod-" + name}}})}};
  put_claim(name, claim);
  lease(number, nodes, 50);
  const Json pod{{"metadata",
                  {{"namespace", "ns"},
                   {"name", name},
                   {"uid", "pod-" + name},
                   {"labels", {{kube::kQueueLabel, queue_of(number)}}}}},
                 {"spec",
                  {{"nodeName", on},
                   {"resourceClaims", Json::array({{{"name", "c"}, {"resourceClaimName", name}}})},
                   {"containers", Json::array({{{"resources", {{"requests", {{"cpu", "1"}}}}}}})}}},
                 {"status", {{"phase", "Running"}}}};
  const auto facts = read_pod(dump(pod));
  world_.pod("ns/" + name, shared(*facts));
}

void WorldCost::lease(int number, int nodes, int used) {
  const std::string name = "r" + std::to_string(number);
  kube::Lease lease;
  lease.ns = "ns";
  lease.name = kube::lease_name("claim-" + name, 0);
  lease.generation = 1;
  lease.held = true;
  lease.spec.claim = {name, "claim-" + name};
  lease.spec.pod = {name, "pod-" + name};
  lease.spec.node = lease.spec.pool = node_of(number, nodes);
  lease.spec.device = card_of(number, nodes);
  lease.spec.share_id = kube::lease_name("00000000-0000-0000-0000-000000000000", 0);
  lease.spec.compute_milli = 100;
  lease.spec.memory_bytes = 1u << 30;
  lease.spec.queue = queue_of(number);
  lease.has_status = true;
  lease.status.observed_generation = 1;
  lease.status.phase = kube::LeasePhase::kRunning;
  lease.status.compute_milli = 100;
  lease.status.memory_bytes = 1u << 30;
  lease.status.used_milli = static_cast<uint32_t>(used);
  world_.lease("ns/" + lease.name, shared(lease));
}

void WorldCost::look(Costs* costs) {
  const base::Nanos began = base::monotonic_now();
  world_.refresh(++now_ms_);
  const base::Nanos refreshed = base::monotonic_now();
  plan_ = world_.planner()->decide(sched::Explain::kNothing);
  const base::Nanos decided = base::monotonic_now();
  const auto use = world_.queue_use();
  const base::Nanos used = base::monotonic_now();
  if (use.empty()) std::abort();
  const auto ms = [](base::Nanos time) { return static_cast<double>(time) / 1e6; };
  costs->refresh.push_back(ms(refreshed - began));
  costs->decide.push_back(ms(decided - refreshed));
  costs->use.push_back(ms(used - decided));
}

void WorldCost::print(const char* what, const Costs& costs, bool last) {
  std::printf(" \"%s\": {", what);
  const auto one = [](const char* name, std::vector<double> values, const char* end) {
    std::sort(values.begin(), values.end());
    std::printf("\"%s_ms\": {\"median\": %.3f, \"p99\": %.3f, \"most\": %.3f}%s", name,
                values[values.size() / 2], values[values.size() * 99 / 100], values.back(), end);
  };
  one("refresh", costs.refresh, ", ");
  one("decide", costs.decide, ", ");
  one("queues", costs.use, last ? "}\n" : "},\n");
}

void WorldCost::measure() {
  Costs first, nothing, leases, ends, arrivals;
  look(&first);
  for (int i = 0; i < kRounds; ++i) look(&nothing);
  for (int i = 0; i < kRounds; ++i) {
    lease(i * 37 % pods_, nodes_, i % 2 == 0 ? 100 : 10);
    look(&leases);
  }
  for (int i = 0; i < kRounds; ++i) {
    const std::string name = "r" + std::to_string(i * 41 % pods_);
    world_.pod("ns/" + name, nullptr);
    world_.claim("ns/" + name, nullptr);
    world_.lease("ns/" + kube::lease_name("claim-" + name, 0), nullptr);
    look(&ends);
  }
  size_t placed = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string name = "w" + std::to_string(i);
    claim(name, 100);
    pod(name, "1", {{kube::kQueueLabel, queue_of(i)}});
    look(&arrivals);
    for (const sched::Action& action : plan_.actions) {
      const std::string unit = world_.planner()->snapshot().workloads[action.workload].name;
      const auto places = world_.settle(unit, action, [this] { return uuid(); });
      if (!places.ok()) continue;
      for (const PodPlace& place : *places) world_.assume(place);
      ++placed;
    }
  }
  const auto use = world_.queue_use();
  int64_t running = 0;
  for (const auto& [name, one] : use) running += one.running;
  std::printf("{\"nodes\": %d, \"pods\": %d, \"queues\": %d, \"running\": %lld, \"placed\": %zu,\n",
              nodes_, pods_, kQueues, static_cast<long long>(running), placed);
  print("first", first, false);
  print("nothing new", nothing, false);
  print("a lease", leases, false);
  print("a pod ends", ends, false);
  print("a pod comes", arrivals, true);
  std::printf("}\n");
}

}  // namespace
}  // namespace flexai::control

int main(int argc, char** argv) {
  flexai::control::WorldCost cost;
  cost.fill(argc > 2 ? std::atoi(argv[1]) : 5000, argc > 2 ? std::atoi(argv[2]) : 50000);
  cost.measure();
  return 0;
}
