// Random numbers that are the same on every machine and with every standard library.
#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace flexai::apps::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // 0..bound-1, each equally likely. REQUIRES: bound > 0.
  uint64_t below(uint64_t bound) {
    const uint64_t limit = ~uint64_t{0} - ~uint64_t{0} % bound;
    uint64_t value = engine_();
    while (value >= limit) value = engine_();
    return value % bound;
  }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }  // [0, 1)
  template <typename T>
  void shuffle(std::vector<T>* values) {
    for (size_t i = values->size(); i > 1; --i) std::swap((*values)[i - 1], (*values)[below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace flexai::apps::sim
