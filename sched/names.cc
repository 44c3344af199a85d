// The names of the enumerations, in one place.
#include "sched/plan.h"
#include "sched/policy.h"

namespace flexai::sched {

const char* rule_name(Rule rule) {
  static constexpr const char* kNames[kRules] = {
      "capacity", "memory",   "model",  "affinity", "topology", "locality", "network",
      "quota",    "fragment", "remote", "scarcity", "eviction", "spread"};
  return kNames[static_cast<int>(rule)];
}

const char* pass_name(Pass pass) {
  static constexpr const char* kNames[kPasses] = {
      "order", "place", "gang", "backfill", "preempt", "reclaim", "resize", "home", "defrag"};
  return kNames[static_cast<int>(pass)];
}

const char* reason_name(Reason reason) {
  static constexpr const char* kNames[kReasons] = {
      "none",           "node_closed", "wrong_model",      "label_missing",
      "wrong_zone",     "no_cards",    "no_processor",     "no_memory",
      "no_card_memory", "no_network",  "remote_forbidden", "remote_spent",
      "queue_limit",    "model_cap",   "gang_partial",     "behind_head",
      "never_fits",     "spread",      "not_allowed"};
  return kNames[static_cast<int>(reason)];
}

const char* act_name(Act act) {
  static constexpr const char* kNames[] = {"shrink", "share", "suspend", "migrate", "requeue",
                                           "kill",   "place", "grow",    "home"};
  return kNames[static_cast<int>(act)];
}

}  // namespace flexai::sched
