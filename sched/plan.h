// Plan: what to do now, in order. An action may rely on the ones before it: room freed for a
// workload is taken by it in the same plan, so nobody else gets it in between.
#pragma once

#include <string>
#include <vector>

#include "model/workload.h"
#include "sched/reason.h"

namespace flexai::sched {

// The ladder of what may be done to running work, mildest first, then the rest.
enum class Act : uint8_t {
  kShrink,   // to `milli` of each card
  kShare,    // guarantee to 0, lives on idle time
  kSuspend,  // off the card, processes stay
  kMigrate,  // to `places`
  kRequeue,  // stopped, waits again
  kKill,     // stopped for good
  kPlace,    // starts at `places`
  kGrow,     // to `milli`
  kHome,     // a remote card becomes a local one: `places`
};
const char* act_name(Act act);

struct Action {
  Act act = Act::kPlace;
  uint32_t workload = 0;
  uint32_t member = 0;  // of kMigrate and kHome
  int32_t milli = 0;
  std::vector<model::MemberPlace> places;
  uint32_t because = ~uint32_t{0};  // the workload it is done for
  std::string reason;               // pass that decided, and why, for people

  bool operator==(const Action&) const = default;
};

struct Plan {
  std::vector<Action> actions;
  std::vector<Verdict> pending;  // of what stays pending, in the order of the snapshot

  bool operator==(const Plan&) const = default;
};

}  // namespace flexai::sched
