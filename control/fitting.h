// fitting: which cards of one node, and how much of each, satisfy the claims of a pod: the
// allocation rules of dynamic resource allocation (KEP-4381, 5075 consumable capacity, 4816
// prioritised lists, 5055 taints), searched with backtracking over all requests of all claims: what
// is possible is found. Bounded: a search of more than 50,000 steps is given up and says so.
// Source: the semantics that kube-scheduler has in 1.36; the order in which cards are tried is the
// caller's. Threads: any; pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/card.h"
#include "control/claim.h"

namespace flexai::control {

// A card with what is on it.
struct CardState {
  const Card* card = nullptr;
  uint32_t index = 0;  // among its node's
  bool taken = false;  // wholly, by somebody
  Amounts used;
};

struct Choice {
  std::string request;
  size_t card = 0;  // position in the list of cards
  bool admin = false;
  Amounts consumed;  // of a shared card
};

// One of the claims to satisfy, with the classes that its requests name, way by way.
struct Asking {
  const ClaimFacts* claim = nullptr;
  std::vector<std::vector<const ClassFacts*>> classes;
};

// Whether selectors and taints let the request have the card, whatever is on it. kInvalid: a
// selector has no value for it.
base::Result<bool> selectable(const Card& card, const Request& request, const ClassFacts& of);

// For each claim its choices, in the order of its requests. kExhausted: it cannot be; kTimeout: the
// search was given up. `steps`: those that it took are added to it.
base::Result<std::vector<std::vector<Choice>>> fit(const std::vector<Asking>& asking,
                                                   const std::vector<CardState>& cards,
                                                   int* steps = nullptr);

}  // namespace flexai::control
