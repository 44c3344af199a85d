// Card: a device of our driver as its node's agent published it, and the pools they are in. Source:
// ResourceSlice of resource.k8s.io/v1; docs/formats/kubernetes.md. Plain values. Threads: any;
// pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/amount.h"
#include "control/cel/value.h"
#include "control/constraints.h"

namespace flexai::control {

// How much of a capacity a request takes, from what it asks for.
struct CapacityPolicy {
  std::optional<Amount> usual;  // when nothing is asked for
  std::vector<Amount> valid;    // the least that is enough; empty: any in the range
  std::optional<Amount> least, most, step;
  bool present = false;
};

struct Capacity {
  Amount whole;
  CapacityPolicy policy;
};

struct Card {
  std::string pool, name;
  std::string node;  // empty: not of one node
  // By domain/name.
  std::map<std::string, cel::Value> attributes;
  std::map<std::string, Capacity> capacities;
  std::vector<Taint> taints;
  std::set<std::string> pools;  // XpuPools that it is in
  bool shared = false;          // allowMultipleAllocations
  // What it cannot be used for here, and why; empty: nothing.
  std::string foreign;
  cel::Value seen;       // as selectors see it, with the attribute that says it is us who ask
  bool binding = false;  // its taints, conditions or counters need more than this scheduler does

  std::string model() const;  // by which quotas and rates know it
  int64_t ncu_milli() const;  // 0: not said
  // What its agent knows of links: whose root it is below (empty: not said), and Mbit/s of its own
  // and of its node's (0: not said).
  std::string root() const;
  int64_t link_mbps() const;
  int64_t network_mbps() const;
  int64_t compute() const;  // thousandths of the whole card; 1000 when it does not say
  int64_t memory() const;   // bytes; 0 when it does not say
};

// One ResourceSlice.
struct CardSlice {
  std::string pool;
  int64_t generation = 0, slices = 1;  // of the pool
  std::vector<std::shared_ptr<const Card>> cards;
};
// nullopt: of another driver.
base::Result<std::optional<CardSlice>> read_slice(std::string_view text);

// The cards of a pool whose slices are these: of the newest generation, nothing when some of that
// are missing; sorted by name.
std::vector<std::shared_ptr<const Card>> cards_of(const std::vector<const CardSlice*>& slices);

// The same card in these XpuPools; selectors see them as attributes of kPoolDomain.
std::shared_ptr<const Card> in_pools(const Card& card, std::set<std::string> pools);

// The amount that is taken when `asked` is asked for (nullopt: nothing is): rounded up as the
// policy says. nullopt: so much cannot be had.
std::optional<Amount> taken_of(const Capacity& capacity, const std::optional<Amount>& asked);

// name -> domain/name, of our driver's domain when it has none.
std::string qualified(const std::string& name, const std::string& domain);

}  // namespace flexai::control
