// What an admitted launch costs when nobody else wants the card: admit() plus the cost table
// look-up, the part that every submission pays. Runs inside a slice (`flexai run`). With --hold it
// attaches, says so, and waits for end of input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "limit/cost.h"
#include "limit/tenant.h"

int main(int argc, char** argv) {
  using namespace flexai;
  const char* socket = getenv(limit::kEnvAttach);
  const char* grant = getenv(limit::kEnvGrant);
  if (socket == nullptr || grant == nullptr) {
    fprintf(stderr, "run me by `flexai run`\n");
    return 2;
  }
  auto tenants = limit::Tenant::attach_all({socket, grant, "opencl"});
  if (!tenants.ok() || tenants->empty()) {
    fprintf(stderr, "%s\n", tenants.ok() ? "no slice" : tenants.error().message.c_str());
    return 1;
  }
  limit::Tenant* tenant = tenants->front().release();
  if (argc > 1 && strcmp(argv[1], "--hold") == 0) {
    printf("attached\n");
    fflush(stdout);
    char c;
    while (read(0, &c, 1) > 0) {
    }
    return 0;
  }
  auto* costs = new limit::CostTable();
  for (int i = 0; i < 8; ++i) limit::CostTable::learn(costs->find(42), 1000);
  std::vector<double> rounds;
  for (int round = 0; round < 200; ++round) {
    tenant->admit(1000);
    tenant->settle(1000, 0);
    base::Nanos begin = base::monotonic_now();
    constexpr int kLaunches = 32;  // below the bound of work in flight
    for (int i = 0; i < kLaunches; ++i) tenant->admit(costs->find(42).cost.load());
    rounds.push_back(static_cast<double>(base::monotonic_now() - begin) / kLaunches);
    for (int i = 0; i < kLaunches; ++i) tenant->settle(costs->find(42).cost.load(), 0);
  }
  std::sort(rounds.begin(), rounds.end());
  printf("{\"admit_ns\": %.1f, \"best_ns\": %.1f}\n", rounds[rounds.size() / 2], rounds.front());
  fflush(stdout);
  _exit(0);
}
