// Many packing runs on all processors, and their statistics beside the published ones.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "apps/sim/packing.h"
#include "base/result.h"

namespace flexai::apps::sim {

struct ExperimentOptions {
  std::string folder;  // of the trace
  std::vector<std::string> lists;
  std::vector<std::string> policies;
  double part = 1.3;
  uint64_t first_seed = 42;
  int seeds = 10;
  sched::Policy constants;  // of the hi policies
  int threads = 0;          // 0: one a processor
  bool progress = false;    // a line on standard error now and then
};

// Runs by list, policy, seed, in this order.
base::Result<std::vector<PackingResult>> run_experiment(const ExperimentOptions& options);

struct Sample {
  double mean = 0, deviation = 0;
  int count = 0;
  double error() const;  // standard error of the mean
};
Sample sample_of(const std::vector<double>& values);

// One line of the published table: list and policy.
struct Cell {
  Sample own, published;  // published.count 0: there is none
  double difference() const { return own.mean - published.mean; }
  // max(0.3 points, 3 standard errors of the difference), as the issue of the experiment asks.
  double allowed() const;
  bool holds() const { return published.count == 0 || std::abs(difference()) <= allowed(); }
};
using Table = std::map<std::pair<std::string, std::string>, Cell>;  // (list, policy)

// `point`: arrived demand in %. The published results are read from folder/expected.
base::Result<Table> table_of(const std::vector<PackingResult>& results, const std::string& folder,
                             size_t point);

}  // namespace flexai::apps::sim
