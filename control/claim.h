// ClaimFacts: what a claim asks for and what it has been given; ClassFacts: what a DeviceClass
// adds. Source: ResourceClaim and DeviceClass of resource.k8s.io/v1. The text is the API server's,
// its content anybody's: what is not understood is kept as `wrong`, for people. Plain values.
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/amount.h"
#include "control/cel/expression.h"
#include "control/constraints.h"
#include "kube/claim.h"

namespace flexai::kube {
class ObjectView;
}  // namespace flexai::kube

namespace flexai::control {

using Selector = std::shared_ptr<const cel::Part>;
using Amounts = std::map<std::string, Amount>;  // of capacities, by domain/name

// One way to satisfy a request.
struct Request {
  std::string name;  // as results name it: "gpu", "gpu/small"
  std::string device_class;
  std::vector<Selector> selectors;
  std::vector<Toleration> tolerations;
  std::string pool;  // that the claim's configuration names for it
  Amounts asked;
  int64_t count = 1;
  bool all = false;
  bool admin = false;
};

struct Constraint {
  std::vector<std::string> requests;  // empty: all
  std::string attribute;              // domain/name
  bool distinct = false;              // all different; else all the same
};

struct Given {
  std::string request, pool, card, share_id;
  bool ours = true;  // of our driver
  bool admin = false;
  Amounts consumed;
};

struct ClaimFacts {
  std::string ns, name, uid, version;
  bool deleting = false;
  bool has_finalizer = false;
  std::vector<std::vector<Request>> requests;  // each: the ways, the first that is possible counts
  std::vector<Constraint> constraints;
  std::string wrong;   // why nobody can satisfy it here
  std::string wishes;  // equal for claims that equal cards satisfy
  std::string config;  // JSON list of spec.devices.config
  bool allocated = false;
  std::string node;  // that the allocation names
  std::vector<Given> given;
  std::vector<kube::Reference> reserved;
};

struct ClassFacts {
  std::string name;
  std::vector<Selector> selectors;
  std::string wrong;
  std::string config;  // JSON list of spec.config
  std::string wishes;
  std::string pool;   // that its configuration names
  bool ours = false;  // says in its selectors that only we place what asks for it
};

// A list of {cel: {expression}}. kUnsupported, with the position.
base::Result<std::vector<Selector>> selectors_of(const kube::ObjectView& list);

base::Result<ClaimFacts> read_facts(std::string_view text);
base::Result<ClassFacts> read_class(std::string_view text);

// What the configurations of class and claim say about a request. kInvalid names the field.
base::Result<kube::SliceConfig> config_for(const ClassFacts& of, const ClaimFacts& claim,
                                           const Request& request);

}  // namespace flexai::control
