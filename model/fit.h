// Fit: where members of some workloads may be, beyond what a demand can say: decided outside from
// node selectors, taints, selectors of cards and the like, and referred to by name. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::model {

struct Fit {
  static constexpr uint32_t kProcessor = 1u << 31;

  std::string name;
  // Of each node, in the snapshot's order. Bit i: its card i will do; kProcessor: the program may
  // run there.
  std::vector<uint32_t> nodes;

  bool operator==(const Fit&) const = default;
};

}  // namespace flexai::model
