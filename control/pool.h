// XpuPool: a named set of cards, by labels of their nodes and by device selectors. Claims and
// classes can name one; what is in it and what of that is free, its status says. Source:
// deploy/crds/xpupool.yaml. Plain values. Threads: any; pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/card.h"
#include "control/claim.h"
#include "control/constraints.h"
#include "kube/call.h"

namespace flexai::control {

struct PoolFacts {
  std::string name, uid;
  int64_t generation = 0;
  std::map<std::string, std::string> node_selector;
  std::vector<Selector> selectors;
  std::string wrong;   // why no card is in it
  std::string spec;    // JSON; equal for pools that hold the same cards
  std::string status;  // JSON of what was written last, without times
};
base::Result<PoolFacts> read_pool(std::string_view text);

// Whether the card is in it. kInvalid: a selector has no value for it, so it is not.
base::Result<bool> holds(const PoolFacts& pool, const Labels& node, const Card& card);

struct PoolUse {
  int64_t nodes = 0, cards = 0;
  int64_t sick = 0, drained = 0;  // cards; of the second, those of closed nodes as well
  int64_t compute = 0, used = 0;  // thousandths of cards
  int64_t free = 0, largest = 0;  // of cards that take new work; of one of them
  int64_t memory = 0, memory_free = 0;
  int64_t ncu = 0;     // milli-NCU
  int64_t slices = 0;  // leases
  std::map<std::string, int64_t> models;
  // Links, as far as agents know them.
  std::map<std::pair<std::string, std::string>, int64_t> roots;  // by node and root: cards
  int64_t slowest = 0, network = 0;  // Mbit/s, the least of cards and of nodes; 0: not known
  int64_t unsure = 0;                // cards that a selector has no value for
  std::string doubt;                 // about the first of them
};

// What status says; without the time at which it last changed.
std::string status_of(const PoolFacts& pool, const PoolUse& use);
kube::Call write_status(const PoolFacts& pool, const std::string& status, const std::string& when);

}  // namespace flexai::control
