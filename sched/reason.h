// Reason: why a workload is where it is, as fixed codes. Codes are part of the interface: they are
// added, never renamed.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace flexai::sched {

enum class Reason : uint8_t {
  kNone,
  kNodeClosed,       // of nodes: takes no new work
  kWrongModel,       // of nodes
  kLabelMissing,     // of nodes
  kWrongZone,        // of nodes
  kNoCards,          // of nodes: not enough free share of a card, or free whole cards
  kNoProcessor,      // of nodes
  kNoMemory,         // of nodes
  kNoCardMemory,     // of nodes
  kNoNetwork,        // of nodes, for a remote card
  kRemoteForbidden,  // the workload must be local
  kRemoteSpent,      // the cluster's part for remote cards is used up
  kQueueLimit,       // the queue or one above it is at its limit
  kModelCap,         // the queue's cap of a card model
  kGangPartial,      // some members would fit, not all
  kBehindHead,       // held for older work that has been passed over often enough
  kNeverFits,        // no node could hold it even when empty
  kSpread,           // of nodes: another member is there
  kNotAllowed,       // of nodes: its fit allows neither processor nor enough cards
};
inline constexpr int kReasons = 19;
const char* reason_name(Reason reason);  // "no_cards"

struct Verdict {
  uint32_t workload = 0;
  Reason reason = Reason::kNone;           // the one that matters most
  std::array<uint32_t, kReasons> nodes{};  // how many nodes fail first by each
  uint32_t passed = 0;                     // later workloads started past it in this plan
  std::string alternative;                 // nearest change with which it would start
  std::string line;                        // for people

  bool operator==(const Verdict&) const = default;
};

}  // namespace flexai::sched
