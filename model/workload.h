// Workload: what a user asks to run: members of one demand, where they may be, what may be done to
// them while they run. A plain value. Shares in milli-cards, memory in MiB, times in milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexai::model {

enum class Locality { kLocal, kPreferLocal };
enum class WorkState { kPending, kRunning, kSuspended };

// Where one member runs.
struct MemberPlace {
  std::string node;       // of the processor
  std::string card_node;  // empty: the same
  std::vector<uint32_t> cards;

  bool operator==(const MemberPlace&) const = default;
};

// What one member asks for.
struct Demand {
  int32_t cpu_milli = 0;
  int32_t memory_mib = 0;
  uint32_t cards = 0;
  int32_t card_milli = 0;
  int32_t card_memory_mib = 0;
  std::string kind;                 // of work, as in the table of rates (model/ncu.h); empty: any
  std::vector<std::string> models;  // empty: any
  std::vector<std::string> labels;  // the node must carry all
  std::string fit;                  // name of a Fit; empty: any node, any card
  Locality locality = Locality::kLocal;
  int32_t network_mbps = 0;  // for each card when remote
  int32_t remote_calls = 0;  // a second, that wait for an answer when remote
  int32_t remote_penalty =
      0;  // milli-cards a remote card costs more, besides what the network does

  bool operator==(const Demand&) const = default;
};

// A demand and how often it was seen.
struct DemandCount : Demand {
  uint32_t count = 1;

  bool operator==(const DemandCount&) const = default;
};

struct Workload : Demand {
  std::string name;
  std::string queue;
  int32_t priority = 0;          // higher first, inside its queue
  uint32_t members = 1;          // all or none run; each asks for the demand
  bool together = false;         // members in one zone
  bool apart = false;            // no two members on one node
  int32_t card_milli_least = 0;  // elastic: may be shrunk to this; 0: not elastic
  int32_t interruption = 100;    // cost of being stopped, relative
  bool can_share = false;        // may lose its guarantee and live on idle time
  bool can_suspend = false;
  bool can_move = false;
  bool can_restart = true;  // requeued rather than ended
  bool preemptible = true;
  int64_t submitted_ms = 0;
  int64_t started_ms = 0;
  WorkState state = WorkState::kPending;
  int32_t granted_milli = -1;       // share of each card it has now; -1: card_milli
  int32_t observed_milli = -1;      // what each card share really uses; -1: not known
  uint32_t passed_over = 0;         // later work started while it waited
  int64_t moved_ms = 0;             // when a member was moved last, if `moves` is not 0
  uint32_t moves = 0;               // of its members, while it runs
  uint32_t stops = 0;               // times it was suspended or stopped for others
  std::vector<MemberPlace> places;  // one a member while it runs

  bool operator==(const Workload&) const = default;
};

}  // namespace flexai::model
