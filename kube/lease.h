// XpuLease: what is true now of one result of an allocation (docs/formats/kubernetes.md). The
// hi-scheduler writes the spec, the card's agent the status. Threads: any; pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/claim.h"

namespace flexai::kube {

class ObjectView;

enum class LeaseState { kRunning, kShared, kSuspended, kReleased };
enum class LeasePhase {
  kPending,
  kRunning,
  kShared,
  kSuspended,
  kReleased,
  kFailed,
  kMoving,  // on its way to the target: nobody but its card's agent may end that
  kMoved,   // nothing of it is left on its card; it goes on at the target
};
const char* state_name(LeaseState state);  // "Running" ...
const char* phase_name(LeasePhase phase);
LeasePhase phase_of(LeaseState state);  // of a lease whose spec is fulfilled

// The card that a slice is to go to.
struct LeaseTarget {
  std::string pool, device;
  bool empty() const { return pool.empty(); }
  bool operator==(const LeaseTarget&) const = default;
};

struct LeaseSpec {
  Reference claim, pod;  // pod: may be empty
  std::string node;      // where the pod runs
  std::string pool;
  std::string device;
  std::string share_id;
  uint32_t compute_milli = 0;
  uint64_t memory_bytes = 0;
  std::string queue;
  LeaseState state = LeaseState::kRunning;
  bool hold = false;  // not to be granted yet: others of its gang have no node
  LeaseTarget target;
  bool operator==(const LeaseSpec&) const = default;
};

struct LeaseStatus {
  int64_t observed_generation = 0;
  LeasePhase phase = LeasePhase::kPending;
  std::string slice;
  uint32_t compute_milli = 0;
  uint64_t memory_bytes = 0;
  std::optional<uint32_t> used_milli;  // not known in the first minute
  // The condition Granted.
  bool granted = false;
  std::string reason, message, since;  // since: its lastTransitionTime
  bool operator==(const LeaseStatus&) const = default;
};

struct Lease {
  std::string ns, name, uid, resource_version;
  int64_t generation = 0;
  std::string created;  // creationTimestamp
  bool deleting = false;
  bool held = false;                    // it has our finalizer
  std::vector<std::string> finalizers;  // all others
  size_t index = 0;                     // of the result, from its name
  LeaseSpec spec;
  bool has_status = false;
  LeaseStatus status;
};

// kCorrupt with the field for what is not of the definition's shape.
base::Result<Lease> read_lease(const ObjectView& object);
base::Result<Lease> parse_lease(std::string_view text);

// A new one for the hi-scheduler to create: owned by the claim, with the finalizer.
nlohmann::json lease_object(const std::string& ns, size_t index, const LeaseSpec& spec);
nlohmann::json spec_json(const LeaseSpec& spec);
nlohmann::json status_json(const LeaseStatus& status);

}  // namespace flexai::kube
