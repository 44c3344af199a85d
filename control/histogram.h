// Histogram: how long things took, counted by bounds as Prometheus wants them. Seconds. Threads:
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace flexai::control {

struct Histogram {
  explicit Histogram(std::initializer_list<double> upto) : bounds(upto), buckets(bounds.size()) {}

  void add(double seconds) {
    ++count;
    sum += seconds;
    for (size_t i = 0; i < bounds.size(); ++i) buckets[i] += seconds <= bounds[i];
  }

  std::vector<double> bounds;
  std::vector<uint64_t> buckets;  // each counts those before it as well
  uint64_t count = 0;
  double sum = 0;
};

}  // namespace flexai::control
