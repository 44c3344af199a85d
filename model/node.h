// Node: a server as the scheduler sees it. All its cards are of one model. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::model {

struct Node {
  std::string name;
  std::string model;  // of its cards; empty when it has none
  uint32_t cards = 0;
  int32_t card_memory_mib = 0;         // of each, or the most that one has
  std::vector<int32_t> each_card_mib;  // where they differ: of each, in order
  int32_t cpu_milli = 0;
  int32_t memory_mib = 0;
  int32_t network_mbps = 0;  // for remote cards
  std::string zone;
  std::vector<std::string> labels;
  bool open = true;  // takes new work
};

}  // namespace flexai::model
